/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/err.h"
#include "nodeprep/time.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The kubeconfig's relative paths lead to a folder without files. */
static void fuzz_kubeconfig(const char *bytes, size_t size)
{
	struct np_kube_options o = { .server = "https://127.0.0.1:1" };
	struct np_kube_config *c = calloc(1, sizeof(*c));
	struct kube_files files = { 0 };
	struct np_err err = NP_ERR_INIT;

	if (c && kube_files_parse(&files, "/nonexistent/config", bytes, size, &err) == 0)
		(void)kube_files_apply(&files, &o, c, &err);
	kube_files_done(&files);
	np_kube_config_free(c);
}

static void fuzz_answer(const char *bytes, size_t size)
{
	static const long statuses[] = { 200, 302, 401, 403, 404, 409, 422, 429, 500 };
	const struct kube_call call = { .verb = "list",
					.method = "GET",
					.path = "/apis/x/v1/y",
					.resource = "y.x",
					.ns = "ns" };
	struct kube_secrets secrets = { 0 };
	struct kube_answer answer = { .body = bytes,
				      .size = size,
				      .retry_after = bytes,
				      .who = "user 'u'",
				      .secrets = &secrets };
	struct np_err err = NP_ERR_INIT;
	json_t *root = NULL;
	uint64_t wait;
	char text[64];

	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		answer.status = statuses[i];
		(void)kube_answer_check(&call, &answer, &err);
	}
	(void)kube_answer_wait(&answer, 0, &wait);
	(void)kube_warning_parse(bytes, text, sizeof(text));
	if (kube_body_parse(&call, &answer, &root, &err) == 0)
		json_decref(root);
}

static void fuzz_credential(const char *bytes, size_t size)
{
	struct kube_credential c = { 0 };
	struct np_err err = NP_ERR_INIT;
	int64_t when;

	if (kube_credential_parse(bytes, size, "client.authentication.k8s.io/v1", &c, &err) == 0)
		kube_credential_done(&c);
	(void)np_time_parse(bytes, &when);
}

static void fuzz_event(const char *bytes, size_t size)
{
	const struct kube_call call = {
		.verb = "watch", .method = "GET", .path = "/apis/x/v1/y", .resource = "y.x"
	};
	const struct kube_secrets secrets = { 0 };
	struct kube_event event = { 0 };
	struct np_err err = NP_ERR_INIT;

	if (kube_event_parse(&call, &secrets, bytes, size, &event, &err) == 0)
		json_decref(event.object);
}

static void fuzz_proxies(const char *bytes)
{
	struct np_err err = NP_ERR_INIT;
	bool excepted;

	(void)kube_proxy_is_excepted(bytes, "a.lab.example", "443", &excepted, &err);
	(void)kube_proxy_is_excepted(bytes, "fd00::1", "443", &excepted, &err);
	(void)kube_proxy_is_excepted("10.0.0.0/8,[::1]:80,.x", bytes, "443", &excepted, &err);
}

/* Frees the text, which must not show the secret. */
static void check_clean(char *clean)
{
	if (clean && strstr(clean, "hunter2"))
		abort();
	free(clean);
}

/* A secret behind the input is masked, whatever the input is. */
static void fuzz_clean(const char *bytes, size_t size)
{
	static const char *const secrets[] = { "\ntoken=hunter2", "\n<a token='hunter2'/>",
					       "\nhttps://u:hunter2@h/" };
	size_t room = size + 64;
	char *text = strstr(bytes, "hunter2") ? NULL : malloc(room);

	for (size_t i = 0; text && i < sizeof(secrets) / sizeof(secrets[0]); i++) {
		snprintf(text, room, "%s%s", bytes, secrets[i]);
		check_clean(kube_text_clean(text, KUBE_TEXT_PATH));
		check_clean(kube_text_clean(text, KUBE_TEXT_PLAIN));
		check_clean(kube_text_clean(text, KUBE_TEXT_HEADER));
	}
	if (text) {
		snprintf(text, room, "%s<token>hunter2</token>", bytes);
		check_clean(kube_xml_clean(text));
	}
	free(text);
	free(kube_body_clean(bytes, size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *bytes = malloc(size + 1);

	if (!bytes)
		return 0;
	if (size > 0)
		memcpy(bytes, data, size);
	bytes[size] = '\0';
	fuzz_kubeconfig(bytes, size);
	fuzz_answer(bytes, size);
	fuzz_credential(bytes, size);
	fuzz_event(bytes, size);
	fuzz_proxies(bytes);
	fuzz_clean(bytes, size);
	free(bytes);
	return 0;
}
