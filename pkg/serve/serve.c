/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "nodeprep/err.h"
#include "nodeprep/time.h"

enum {
	RENEW_MS = 1000,
	PAUSE_MS = 20,
	RATE_MS = 250, /* how often slow clients are looked for */
	ACCEPT_LOG_MS = 10000, /* how often a failing accept is logged */
	BACKLOG = 512,
	LOOPS_MAX = 64,
	EVHTTP_SPARE_S = 3600,
};

static const unsigned methods =
	EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE | EVHTTP_REQ_PATCH;

/* --- listening ------------------------------------------------------------------------------ */

static int parse_address(const char *host, uint16_t port, struct sockaddr_storage *ret,
			 struct np_err *err)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;

	memset(ret, 0, sizeof(*ret));
	if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		return (int)sizeof(*v4);
	}
	if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		return (int)sizeof(*v6);
	}
	return np_fail(err, NP_E_USAGE, "'%s' is not an IP address", host);
}

static int read_port(struct loop *l, struct np_err *err)
{
	struct sockaddr_storage ss;
	socklen_t size = sizeof(ss);

	if (getsockname(evconnlistener_get_fd(l->listener), (struct sockaddr *)&ss, &size) < 0)
		return np_fail(err, NP_E_IO, "getsockname: %s", strerror(errno));
	l->server->port = ntohs(ss.ss_family == AF_INET ? ((struct sockaddr_in *)&ss)->sin_port
							: ((struct sockaddr_in6 *)&ss)->sin6_port);
	return 0;
}

/* The loop that the thread runs: of a listener evhttp has taken the callbacks' argument. */
static _Thread_local struct loop *running;

/* Descriptors ran out: libevent would try again at once, and say so each time. */
static void on_accept_error(struct evconnlistener *listener, void *arg)
{
	uint64_t now = np_clock_ms();
	char line[120];
	int error = EVUTIL_SOCKET_ERROR();

	(void)listener, (void)arg;
	if (!running)
		return;
	running->lacks_files = true;
	serve_loop_pause(running, PAUSE_MS);
	if (running->accept_told_ms != 0 && now - running->accept_told_ms < ACCEPT_LOG_MS)
		return;
	running->accept_told_ms = now;
	snprintf(line, sizeof(line), "connections cannot be accepted: %s", strerror(error));
	serve_log(running->server, "warning", line);
}

/* Sockets that share a port take it from nobody who does not, and tell nobody who does. */
static int check_is_free(const struct sockaddr_storage *address, socklen_t size)
{
	int on = 1, fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int r;

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	r = bind(fd, (const struct sockaddr *)address, size);
	if (r == 0)
		r = listen(fd, 1);
	on = errno;
	close(fd);
	errno = on;
	return r;
}

static int start_listening(struct loop *l, const char *host, uint16_t port, struct np_err *err)
{
	struct np_serve *s = l->server;
	unsigned flags = LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE;
	struct sockaddr_storage address;
	int on = 1, size = parse_address(host, port, &address, err);
	bool is_first = l == s->loops;

	if (size < 0)
		return size;
	if (s->n_loops > 1)
		flags |= LEV_OPT_REUSEABLE_PORT;
	if (!is_first || s->n_loops == 1 || port == 0 ||
	    check_is_free(&address, (socklen_t)size) == 0)
		l->listener =
			evconnlistener_new_bind(l->base, s->o.plain ? serve_plain_accept : NULL, l,
						flags, BACKLOG, (struct sockaddr *)&address, size);
	if (!l->listener)
		return np_fail(err, NP_E_USAGE, "cannot listen on '%s' port %u: %s", host,
			       (unsigned)port, strerror(errno));
	evconnlistener_set_error_cb(l->listener, on_accept_error);
	/* Connections inherit it; evhttp sets none, and each kept-alive request would wait 40 ms. */
	setsockopt(evconnlistener_get_fd(l->listener), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (!s->o.plain && !evhttp_bind_listener(l->http, l->listener)) {
		evconnlistener_free(np_take(l->listener));
		return np_fail_nomem(err);
	}
	return read_port(l, err);
}

/* --- a loop's events ------------------------------------------------------------------------ */

static void break_loop(evutil_socket_t fd, short what, void *arg)
{
	struct loop *l = arg;

	(void)fd, (void)what;
	event_base_loopbreak(l->base);
}

static void on_linger_over(evutil_socket_t fd, short what, void *arg)
{
	struct loop *l = arg;
	struct timeval drain = serve_timeval(l->server->o.drain_ms);
	struct conn *c;

	(void)fd, (void)what;
	if (l->stopping)
		return;
	l->stopping = true;
	evconnlistener_disable(l->listener);
	LIST_FOREACH(c, &l->conns, link)
	if (!c->busy)
		serve_conn_close_soon(c);
	if (l->n_conns == 0 || evtimer_add(l->drain_timer, &drain) < 0)
		event_base_loopbreak(l->base);
}

static void renew(struct np_serve *s, bool is_forced)
{
	char line[NP_ERR_TEXT_MAX], when[NP_TIME_TEXT_MAX];
	struct np_err err = NP_ERR_INIT;
	int renewed = serve_tls_renew(&s->tls, is_forced, np_clock_ms(), &err);

	if (renewed < 0) {
		np_wrap(&err, "cannot reload the certificate, keeping the one in use");
		serve_log(s, "warning", err.text);
	} else if (renewed > 0) {
		np_time_text(atomic_load(&s->tls.cert_not_after), when);
		snprintf(line, sizeof(line), "certificate reloaded, valid until %s", when);
		serve_log(s, "info", line);
	}
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct loop *l = arg;
	struct np_serve *s = l->server;
	struct timeval linger = serve_timeval(s->o.linger_ms);
	uint64_t count;

	(void)what;
	if (read(fd, &count, sizeof(count)) < 0)
		return;
	serve_workers_collect(l);
	if (l == s->loops && atomic_exchange(&s->reload, false) && serve_tls_has_files(&s->tls))
		renew(s, true);
	if (!atomic_load(&s->stop) || l->stopping || evtimer_pending(l->shutdown_timer, NULL))
		return;
	if (s->o.linger_ms == 0 || evtimer_add(l->shutdown_timer, &linger) < 0)
		on_linger_over(-1, 0, l);
}

static void on_sweep(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	serve_loop_sweep(arg);
}

static void on_rate(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	serve_loop_check_rates(arg);
}

static void on_renew(evutil_socket_t fd, short what, void *arg)
{
	struct loop *l = arg;

	(void)fd, (void)what;
	renew(l->server, false);
}

static int add_events(struct loop *l, struct np_err *err)
{
	struct timeval renew = serve_timeval(RENEW_MS), rate = serve_timeval(RATE_MS);
	bool renews = serve_tls_has_files(&l->server->tls) && l == l->server->loops;

	l->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (l->wake_fd < 0)
		return np_fail(err, NP_E_IO, "eventfd: %s", strerror(errno));
	l->wake_event = event_new(l->base, l->wake_fd, EV_READ | EV_PERSIST, on_wake, l);
	l->shutdown_timer = evtimer_new(l->base, on_linger_over, l);
	l->drain_timer = evtimer_new(l->base, break_loop, l);
	l->sweep_timer = evtimer_new(l->base, on_sweep, l);
	l->rate_timer = event_new(l->base, -1, EV_PERSIST, on_rate, l);
	l->renew_timer = event_new(l->base, -1, EV_PERSIST, on_renew, l);
	if (!l->wake_event || !l->shutdown_timer || !l->drain_timer || !l->sweep_timer ||
	    !l->rate_timer || !l->renew_timer)
		return np_fail_nomem(err);
	if (event_add(l->wake_event, NULL) < 0 || event_add(l->rate_timer, &rate) < 0 ||
	    (renews && event_add(l->renew_timer, &renew) < 0))
		return np_fail_nomem(err);
	return 0;
}

/* --- loops ---------------------------------------------------------------------------------- */

/* libevent asks for each change of an event by a system call of its own unless it may gather them. */
static struct event_base *make_base(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;

	if (config && event_config_set_flag(config, EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST) == 0)
		base = event_base_new_with_config(config);
	if (config)
		event_config_free(config);
	return base;
}

static int setup_http(struct loop *l, struct np_err *err)
{
	const struct np_serve_options *o = &l->server->o;
	uint64_t longest = o->idle_ms > o->deadline_ms ? o->idle_ms : o->deadline_ms;

	l->base = make_base();
	if (!l->base)
		return np_fail_nomem(err);
	if (o->plain)
		return 0;
	l->http = evhttp_new(l->base);
	if (!l->http)
		return np_fail_nomem(err);
	evhttp_set_bevcb(l->http, serve_conn_new_transport, l);
	evhttp_set_gencb(l->http, serve_on_request, l);
	evhttp_set_allowed_methods(l->http, (ev_uint16_t)methods);
	evhttp_set_max_body_size(l->http, (ev_ssize_t)o->body_max);
	evhttp_set_max_headers_size(l->http, (ev_ssize_t)o->headers_max);
	evhttp_set_default_content_type(l->http, NULL);
	/* evhttp's own times start again with every byte: they are the net behind ours. */
	evhttp_set_timeout(l->http, (int)(longest / 1000 + EVHTTP_SPARE_S));
	return 0;
}

static void init_loop(struct loop *l, struct np_serve *s)
{
	l->server = s;
	l->wake_fd = -1;
	LIST_INIT(&l->conns);
	TAILQ_INIT(&l->plains);
	TAILQ_INIT(&l->turns);
	TAILQ_INIT(&l->rests);
	for (size_t i = 0; i < 2; i++) {
		TAILQ_INIT(&l->waiting[i]);
		TAILQ_INIT(&l->quiet[i]);
	}
	STAILQ_INIT(&l->done);
	pthread_mutex_init(&l->lock, NULL);
}

static void free_event(struct event *e)
{
	if (e)
		event_free(e);
}

static void loop_done(struct loop *l)
{
	l->stopping = true;
	if (!l->http && l->listener)
		evconnlistener_free(l->listener);
	l->listener = NULL;
	serve_plain_close_all(l);
	serve_conn_free_rests(l);
	if (l->base)
		serve_workers_collect(l);
	if (l->http)
		evhttp_free(l->http);
	/* What libevent put off to its loop's next turn, the connections' ends among it. */
	if (l->base)
		event_base_loop(l->base, EVLOOP_NONBLOCK);
	free_event(l->wake_event);
	free_event(l->shutdown_timer);
	free_event(l->drain_timer);
	free_event(l->sweep_timer);
	free_event(l->rate_timer);
	free_event(l->renew_timer);
	if (l->base)
		event_base_free(l->base);
	if (l->wake_fd >= 0)
		close(l->wake_fd);
	pthread_mutex_destroy(&l->lock);
}

/* --- the server ----------------------------------------------------------------------------- */

static void keep_options(struct np_serve *s, const struct np_serve_options *o)
{
	s->o = *o;
	s->o.host = NULL;
	s->o.identity = (struct np_serve_identity){ NULL, NULL, NULL, NULL };
	s->o.client_ca_pem = s->o.client_ca_file = s->o.ticket_secret_file = NULL;
	if (o->memory_max > 0 && o->memory_max < serve_bounds_of_body(o->body_max))
		s->o.memory_max = serve_bounds_of_body(o->body_max);
}

static struct np_serve *make_server(const struct np_serve_options *o, np_serve_handler *handler,
				    void *ctx)
{
	struct np_serve *s = calloc(1, sizeof(*s));
	unsigned n = o->threads == 0 ? 1 : o->threads < LOOPS_MAX ? o->threads : LOOPS_MAX;

	if (!s || !(s->loops = calloc(n, sizeof(*s->loops)))) {
		free(s);
		return NULL;
	}
	keep_options(s, o);
	s->handler = handler;
	s->ctx = ctx;
	s->n_loops = n;
	pthread_mutex_init(&s->tls.lock, NULL);
	serve_tickets_init(&s->tls.tickets);
	pthread_mutex_init(&s->workers.lock, NULL);
	pthread_cond_init(&s->workers.wake, NULL);
	STAILQ_INIT(&s->workers.queue);
	for (unsigned i = 0; i < n; i++)
		init_loop(&s->loops[i], s);
	/* Only to tell runs apart: without randomness they are told apart less well. */
	if (getrandom(&s->id, sizeof(s->id), GRND_NONBLOCK) < 0)
		s->id = (uint32_t)getpid();
	return s;
}

int np_serve_new(const struct np_serve_options *o, np_serve_handler *handler, void *ctx,
		 struct np_serve **ret, struct np_err *err)
{
	NP_AUTO(np_serve_freep) struct np_serve *s = make_server(o, handler, ctx);

	if (!s)
		return np_fail_nomem(err);
	if (serve_conn_init(err) < 0 || serve_tls_init(&s->tls, o, err) < 0)
		return np_err_ret(err);
	s->port = o->port;
	for (unsigned i = 0; i < s->n_loops; i++)
		if (setup_http(&s->loops[i], err) < 0 ||
		    start_listening(&s->loops[i], o->host, s->port, err) < 0 ||
		    add_events(&s->loops[i], err) < 0)
			return np_err_ret(err);
	if (serve_workers_start(s, err) < 0)
		return np_err_ret(err);
	*ret = np_take(s);
	return 0;
}

void np_serve_free(struct np_serve *s)
{
	if (!s)
		return;
	serve_workers_stop(s);
	for (unsigned i = 0; i < s->n_loops; i++)
		loop_done(&s->loops[i]);
	serve_workers_done(s);
	serve_tls_done(&s->tls);
	pthread_mutex_destroy(&s->workers.lock);
	pthread_cond_destroy(&s->workers.wake);
	free(s->loops);
	free(s);
}

void np_serve_freep(struct np_serve **s)
{
	np_serve_free(*s);
}

uint16_t np_serve_port(const struct np_serve *s)
{
	return s->port;
}

void np_serve_read_stats(const struct np_serve *s, struct np_serve_stats *ret)
{
	ret->connections = atomic_load(&s->n_conns);
	ret->memory = atomic_load(&s->memory);
	ret->evicted = atomic_load(&s->n_evicted);
	ret->malformed = atomic_load(&s->n_malformed);
	ret->refused = atomic_load(&s->n_refused);
	ret->certificate_not_after = atomic_load(&s->tls.cert_not_after);
	ret->client_ca_not_after = atomic_load(&s->tls.client_ca_not_after);
	ret->certificate_loaded = atomic_load(&s->tls.loaded_at);
	ret->certificate_is_stale = atomic_load(&s->tls.is_stale);
	ret->reload_failures = atomic_load(&s->tls.n_failures);
}

static void (*library_log)(bool is_error, const char *line);

static void on_library_log(int severity, const char *line)
{
	if (severity != EVENT_LOG_DEBUG && library_log)
		library_log(severity == EVENT_LOG_ERR, line);
}

void np_serve_set_library_log(void (*log)(bool is_error, const char *line))
{
	library_log = log;
	event_set_log_callback(on_library_log);
}

bool np_serve_is_stopping(const struct np_serve *s)
{
	return atomic_load(&s->stop);
}

/* Runs the loop until it is broken. */
static int turn_loop(struct loop *l)
{
	running = l;
	for (;;) {
		int r;

		l->iteration++;
		r = event_base_loop(l->base, EVLOOP_ONCE);
		serve_loop_settle_newcomers(l);
		if (r != 0 || event_base_got_break(l->base))
			return r;
	}
}

static void *run_loop(void *arg)
{
	struct loop *l = arg;

	if (turn_loop(l) < 0)
		serve_log(l->server, "error", "an event loop failed");
	return NULL;
}

/* Signals are for the thread that runs the server. */
static int start_loops(struct np_serve *s)
{
	sigset_t all, old;
	int failed = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	for (unsigned i = 1; i < s->n_loops && !failed; i++) {
		struct loop *l = &s->loops[i];

		failed = pthread_create(&l->thread, NULL, run_loop, l);
		l->has_thread = !failed;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return failed ? -1 : 0;
}

int np_serve_run(struct np_serve *s, struct np_err *err)
{
	int r = start_loops(s);

	if (r < 0)
		np_serve_stop(s);
	else
		r = turn_loop(&s->loops[0]);
	for (unsigned i = 1; i < s->n_loops; i++) {
		if (s->loops[i].has_thread)
			pthread_join(s->loops[i].thread, NULL);
		s->loops[i].has_thread = false;
	}
	return r < 0 ? np_fail(err, NP_E_IO, "the event loop failed") : 0;
}

void np_serve_stop(struct np_serve *s)
{
	atomic_store(&s->stop, true);
	for (unsigned i = 0; i < s->n_loops; i++)
		serve_loop_wake(&s->loops[i]);
}

void np_serve_reload(struct np_serve *s)
{
	atomic_store(&s->reload, true);
	serve_loop_wake(&s->loops[0]);
}
