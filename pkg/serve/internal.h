/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_SERVE_INTERNAL_H
#define NODEPREP_SERVE_INTERNAL_H

/*
 * serve, inside
 *
 * serve.c    the server and its loops: addresses, timers, stopping
 * conn.c     connections: transports, deadlines, refusals
 * bounds.c   who has to wait, to make way, or to go
 * wire.c     the grammar of requests
 * request.c  from evhttp's request to the handler
 * reply.c    from the handler's reply to the wire
 * workers.c     the workers
 * plain.c    HTTP without TLS, in place of conn.c and request.c
 * tls.c      certificates
 * tickets.c  TLS sessions that are resumed
 *
 * Memory is bounded. A handshake and a large body take much of it, so that only a few of either run at a
 * time in a loop; the others wait in the kernel's buffers, and where many do, new connections with them.
 * Who does not go on does not count: a stuck handshake makes way at once, and a body that is slower than
 * the loop gives its turn away. All bodies and answers together have the server's memory_max, which they
 * take as they grow. See bounds.c. *
 * A loop, its connections and their answers belong to the loop's thread. Shared are the atomics of the
 * server, what a lock is named for, and a job, which its worker has to itself until it is done.
 */

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>
#include <sys/stat.h>

#include "nodeprep/err.h"
#include "nodeprep/serve.h"
#include "nodeprep/stamp.h"

/* --- tickets ------------------------------------------------------------------------------- */

enum {
	TICKET_KEYS = 3, /* of the last hour, this one, and the next */
	TICKET_NAME_BYTES = 16,
	TICKET_LIFETIME_S = 3600, /* of a session; a key encrypts for as long, and then decrypts */
	TICKET_SKEW_S = 60,
};

struct ticket_key {
	uint64_t hour; /* since 1970; 0: no key */
	union {
		struct {
			unsigned char name[TICKET_NAME_BYTES], aes[32], mac[32];
		};
		unsigned char bytes[TICKET_NAME_BYTES + 64];
	};
};

/* The keys of tickets; all threads use them. */
struct tickets {
	pthread_mutex_t lock; /* of what follows */
	char *secret; /* what the keys follow from; NULL: they are random */
	size_t secret_size;
	struct ticket_key keys[TICKET_KEYS]; /* by hour */
};

void serve_tickets_init(struct tickets *t);
void serve_tickets_done(struct tickets *t);

/* Checks the length of a secret. */
int serve_tickets_check_secret(size_t size, struct np_err *err);
/* Takes another secret, *secret, or none where size is 0; the keys before it are gone. */
void serve_tickets_take_secret(struct tickets *t, char **secret, size_t size);

/* Has the context give tickets, and resume sessions by them; t outlives the context. */
int serve_tickets_use(struct tickets *t, SSL_CTX *ctx, struct np_err *err);

/* Copies the key that encrypts; the caller wipes it. Returns false where there is no randomness. */
bool serve_tickets_key(struct tickets *t, uint64_t now_s, struct ticket_key *ret);
/* Copies the key of that name, if it may still decrypt. */
bool serve_tickets_find_key(struct tickets *t, uint64_t now_s,
			    const unsigned char name[TICKET_NAME_BYTES], struct ticket_key *ret);
/* Tells whether the handshake that a ticket notes is recent enough. */
bool serve_tickets_is_recent(const void *noted, size_t size, uint64_t now_s);

/* --- certificates -------------------------------------------------------------------------- */

enum { TLS_FRAGMENT_BYTES = 4096 }; /* the most of an answer in one record */

enum tls_part { TLS_CERT, TLS_KEY, TLS_CLIENT_CA, TLS_TICKET_SECRET, TLS_PART_MAX };

/* The server's certificates, and where to look for newer ones. */
struct tls {
	char *files[TLS_PART_MAX]; /* NULL: given as text */
	char *texts[TLS_PART_MAX]; /* in PEM; NULL: in a file, or none */
	bool client_required;
	struct tickets tickets;
	/* Of the loop that renews: */
	struct np_stamp stamps[TLS_PART_MAX]; /* of what is in use; set after success alone */
	struct np_stamp tried[TLS_PART_MAX]; /* of the last attempt that failed */
	bool failed; /* the last attempt did */
	uint64_t retry_at_ms; /* when a failed attempt is repeated at the latest */
	char reason[NP_ERR_TEXT_MAX]; /* of the failure that was reported last; "": none */
	/* Of all threads: */
	pthread_mutex_t lock; /* of ctx */
	SSL_CTX *ctx;
	atomic_llong cert_not_after, client_ca_not_after,
		loaded_at; /* seconds since 1970; 0: none */
	atomic_ullong n_failures;
	atomic_bool is_stale; /* the last attempt to reload failed */
};

/* Copies the options and makes the first context; the lock and the tickets are initialised before. */
int serve_tls_init(struct tls *t, const struct np_serve_options *o, struct np_err *err);
void serve_tls_done(struct tls *t);

/* How often a failed attempt is repeated, if the files stay as they are. */
#define TLS_RETRY_MS 3000

/*
 * Makes a new context where a file changed, where the last attempt failed and is due again, or
 * where `is_forced`. Returns 1 for a new context; 0 where nothing is to be reported; a failure keeps
 * the old context, and is returned once for each reason.
 */
int serve_tls_renew(struct tls *t, bool is_forced, uint64_t now_ms, struct np_err *err);

/* Tells whether there are files that can change. */
bool serve_tls_has_files(const struct tls *t);

/* Returns a connection's end with the context of now; NULL where memory runs out. */
SSL *serve_tls_new_ssl(struct tls *t);

/* Where in a request its next byte belongs; from WIRE_BODY on in its body. */
enum wire_place {
	WIRE_START, /* before its first byte */
	WIRE_LINE,
	WIRE_HEADER, /* a header's name, or the line that ends them */
	WIRE_VALUE,
	WIRE_BODY,
	WIRE_CHUNK_SIZE,
	WIRE_CHUNK,
	WIRE_CHUNK_END,
};

/* The strict reader of requests: it checks what evhttp takes, and knows where it is. */
struct wire {
	enum wire_place place;
	bool saw_cr, in_header, in_trailer;
	bool has_length, is_chunked;
	uint64_t length, left;
	size_t n_name, n_value; /* more than fits is counted alone */
	char name[20], value[24], method[8];
};

/* Reads on; returns 0, or the status by which the request is refused. */
int serve_wire_feed(struct wire *w, const char *bytes, size_t n);

/* Passes n bytes unread where all of them are of a body or chunk, and more of it is to come; else false. */
bool serve_wire_skip(struct wire *w, size_t n);
bool serve_wire_in_body(const struct wire *w);

LIST_HEAD(conn_list, conn);
TAILQ_HEAD(plain_queue, plain);
TAILQ_HEAD(conn_queue, conn);
TAILQ_HEAD(rest_queue, rest);
STAILQ_HEAD(job_list, job);

enum { ADDRESS_BYTES = 9 };

/* One event loop. */
struct loop {
	struct np_serve *server;
	struct event_base *base;
	struct evhttp *http; /* NULL: plain */
	struct evconnlistener *listener; /* owned by http, where that is */
	struct event *wake_event, *renew_timer, *shutdown_timer, *drain_timer, *sweep_timer,
		*rate_timer;
	int wake_fd;
	bool is_full; /* the listener waits for room */
	bool lacks_files; /* none could be accepted: a connection must close */
	uint64_t accept_told_ms; /* when the log last told that none can be accepted; 0: never */
	bool stopping;
	uint64_t iteration; /* of the loop: a client is slow only if the loop was not */
	unsigned n_opening; /* connections that have sent no request yet */
	unsigned most_opening; /* since free memory was returned to the system */
	unsigned n_handshaking; /* of n_opening, those that are not stuck */
	struct conn_queue
		quiet[2]; /* those whose client is to act, the idlest first: new ones, others */
	struct conn_queue turns; /* those that may send a large body */
	unsigned n_turns, n_large_turns,
		most_turns; /* large ones are no reason for a small one to wait */
	struct conn_queue
		waiting[2]; /* those that are to: small ones first, then large and slow ones */
	unsigned n_fresh; /* of the former */
	uint64_t relieved_ms; /* when a body last gave its memory back */
	unsigned n_conns;
	struct conn_list conns; /* the youngest first */
	struct rest_queue rests; /* of connections that were refused */
	unsigned n_rests;
	struct plain_queue plains; /* the oldest first */
	pthread_mutex_t lock; /* of done */
	struct job_list done;
	pthread_t thread;
	bool has_thread;
};

/* The threads that run handlers which block. */
struct worker_pool {
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t wake;
	struct job_list queue;
	unsigned n_queued, n_running;
	bool quit;
	unsigned n_threads;
	pthread_t *threads;
};

struct np_serve {
	struct tls tls;
	struct np_serve_options o; /* its pointers are not kept, but for log_ctx */
	np_serve_handler *handler;
	void *ctx;
	uint16_t port;
	atomic_bool stop, reload;
	atomic_uint n_conns;
	atomic_ullong n_requests, n_evicted, n_malformed, n_refused;
	atomic_size_t memory; /* of bodies and answers in flight */
	atomic_size_t memory_peak; /* since free memory was given back */
	uint32_t id; /* sets this run's request ids apart */
	unsigned n_loops;
	struct loop *loops;
	struct worker_pool workers;
};

/* One connection; freed with its transport, which libevent always frees. */
struct conn {
	LIST_ENTRY(conn) link;
	struct loop *loop;
	struct bufferevent *bev;
	struct evhttp_connection *evcon; /* NULL: no request yet, or closed */
	struct event *timer; /* the deadline, or the end of idling */
	bool busy; /* within a request */
	bool closes_soon; /* closed with the timer's next turn */
	bool closed;
	struct wire wire;
	unsigned refusal; /* the status by which the request is refused; 0 */
	bool refused; /* it is being sent */
	bool handshaking; /* no byte of a request yet */
	bool counted; /* among those */
	bool fresh; /* no whole request yet: who keeps a connection must not keep others out */
	bool sending; /* a whole answer */
	unsigned char address[ADDRESS_BYTES];
	bool has_address;
	/* The quiet: */
	TAILQ_ENTRY(conn) quiet;
	struct conn_queue *quiet_in; /* NULL: its client waits for us */
	uint64_t moved_ms, moved_iteration; /* when its client last did something */
	uint64_t stage_ms; /* when handshake, head or body began, without the time it was held */
	size_t stage_bytes;
	/* Large bodies: */
	TAILQ_ENTRY(conn) turn;
	bool has_turn, waits; /* to send one */
	bool is_large; /* with its turn */
	bool slow; /* lost its turn once, with this body */
	bool is_last; /* waits behind the small ones that were not slow */
	uint64_t turn_ms, held_ms; /* when it got its turn, or began to wait */
	size_t turn_bytes; /* stage_bytes then */
	size_t received; /* memory that the request under way takes */
	size_t charged, answer_charged; /* of the server's memory */
	struct response *response; /* under way; NULL */
};

/* A request that a worker handles, and what became of it. */
struct job {
	STAILQ_ENTRY(job) link;
	struct loop *loop;
	struct response *response; /* NULL: the client went */
	struct np_serve_request request;
	char *path, *query, *peer_name;
	struct evbuffer *body;
	size_t charged; /* for the body */
	struct np_serve_reply reply;
};

void serve_log(const struct np_serve *s, const char *level, const char *line);

/* conn.c: makes the transport of a new connection, as evhttp asks for it; `arg` is the loop. */
struct bufferevent *serve_conn_new_transport(struct event_base *base, void *arg);

/* Prepares what connections need of OpenSSL, once a process. */
int serve_conn_init(struct np_err *err);

/* Finds the connection of evhttp's; NULL where it could not be made. */
struct conn *serve_conn_find(struct evhttp_connection *evcon);

/* Closes the connection when `ms` are over; restarts a timer that runs. */
void serve_conn_arm(struct conn *c, uint64_t ms);

/* Closes the connection from the event loop's next turn: libevent still uses it in this one. */
void serve_conn_close_soon(struct conn *c);

/* Counts a connection, and takes no more where it was the last that may be. */
void serve_loop_count_conn(struct loop *l);

/* Follows handshakes, as OpenSSL's info callback. */
void serve_conn_on_handshake(const SSL *ssl, int where, int ret);

/* Answers with the connection's refusal, and closes once the client has had time to read it. */
void serve_conn_refuse(struct conn *c);

void serve_conn_free_rests(struct loop *l);

/* bounds.c: returns the memory that a body of that size may take. */
size_t serve_bounds_of_body(size_t size);

/* Takes connections again where there is room for them, or makes some. */
void serve_loop_resume_accept(struct loop *l);
/* Takes none, and looks for room after `ms`. */
void serve_loop_pause(struct loop *l, unsigned ms);
bool serve_loop_is_crowded(const struct loop *l);

/* Makes way for others, now and again while there is need: the timer's part. */
void serve_loop_sweep(struct loop *l);
/* Closes who is slower than allowed: the timer's part. */
void serve_loop_check_rates(struct loop *l);
/* Finds out from where new connections are, and holds each address to its share. */
void serve_loop_settle_newcomers(struct loop *l);

/* The client did something; until serve_conn_hold() it is the one who is to act. */
void serve_conn_moved(struct conn *c);
/* The client waits for us, or is being closed. */
void serve_conn_hold(struct conn *c);

/* Lets a large body go on, or has it wait for its turn and for memory. */
void serve_conn_await_turn(struct conn *c);
/* The request is whole, or gone: its turn is another's. */
void serve_conn_end_turn(struct conn *c);
void serve_conn_end_shaking(struct conn *c);
/* The memory of the body, or of the answer, is free again. */
void serve_conn_release_body(struct conn *c);
void serve_conn_charge_answer(struct conn *c, size_t size);
void serve_conn_release_answer(struct conn *c);
void serve_release(struct np_serve *s, size_t *charged);

/* plain.c: the listener's callback; `arg` is the loop. */
void serve_plain_accept(struct evconnlistener *listener, evutil_socket_t fd,
			struct sockaddr *address, int size, void *arg);
void serve_plain_close_all(struct loop *l);
void serve_plain_make_room(struct loop *l);

/* request.c: evhttp's callback. */
void serve_on_request(struct evhttp_request *req, void *arg);

/* Calls the handler; a failure of it is logged and becomes a 500. */
void serve_handle_request(struct np_serve *s, const struct np_serve_request *request,
			  struct np_serve_reply *reply);

/* reply.c: sends the reply, now or step by step; takes what it holds. */
void serve_response_send_take(struct conn *c, struct evhttp_request *req,
			      struct np_serve_reply *reply);

/* Makes room for an answer that is to come; NULL where memory runs out. */
struct response *serve_response_await(struct conn *c, struct evhttp_request *req, struct job *job);

/* Sends what was awaited; takes what the reply holds. */
void serve_response_finish_take(struct response *a, struct np_serve_reply *reply);

/* Ends the answer under way without sending any more. */
void serve_response_drop(struct conn *c);
/* The same where the connection is being closed. */
void serve_response_lose(struct conn *c);

/* workers.c: starts the workers. */
int serve_workers_start(struct np_serve *s, struct np_err *err);
/* Waits for those that are at work; what is queued stays. */
void serve_workers_stop(struct np_serve *s);
/* Drops what is queued, once no answer waits for it. */
void serve_workers_done(struct np_serve *s);

/* Hands the request to the workers: 0, or -1 where too many wait or memory runs out. */
int serve_workers_hand_over(struct conn *c, struct evhttp_request *req,
			    const struct np_serve_request *request);

/* Answers what the workers have done for the loop. */
void serve_workers_collect(struct loop *l);

void serve_loop_wake(struct loop *l);

struct timeval serve_timeval(uint64_t ms);

#endif
