/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <string.h>

#include "nodeprep/json.h"
#include "nodeprep/warnings.h"

json_t *render_number_or_null(bool known, uint64_t number)
{
	return known ? json_integer((json_int_t)number) : json_null();
}

json_t *render_text_or_null(const char *text)
{
	return text ? np_json_string(text) : json_null();
}

json_t *render_card_tree(const struct np_card *card)
{
	char id[NP_PCI_ID_MAX];
	const struct np_addend *a = &card->addend;

	np_gpu_pci_id_format(card->id, id);
	if (card->kind)
		return json_pack("{s:n, s:n, s:n, s:o, s:I, s:n}", "model", "pciID", "vgpuProfile",
				 "deviceClass", render_text_or_null(card->kind), "count",
				 (json_int_t)a->count, "mmioGB");
	return json_pack("{s:o, s:o, s:o, s:I, s:o}", "model",
			 render_text_or_null(card->gpu ? card->gpu->model : NULL), "pciID",
			 render_text_or_null(card->has_id ? id : NULL), "vgpuProfile",
			 render_text_or_null(card->profile), "count", (json_int_t)a->count,
			 "mmioGB", render_number_or_null(a->rule != NP_ADDEND_UNKNOWN, a->each_gb));
}

/* Appends the item; takes it, also on failure. A list that cannot grow becomes NULL. */
void render_tree_push(json_t **list, json_t *item)
{
	if (*list && json_array_append_new(*list, item) == 0)
		return;
	if (!*list)
		json_decref(item);
	json_decref(*list);
	*list = NULL;
}

static json_t *warning_tree(const struct np_warning *note)
{
	const struct np_message_kind *kind = np_warning_kind(note->warning);

	return json_pack("{s:s, s:s, s:o, s:s, s:o*}", "code", kind->code, "severity",
			 np_severity_name(kind->severity), "message", np_json_string(note->message),
			 "cure", kind->remedy, "ignored", note->is_ignored ? json_true() : NULL);
}

void render_tree_push_warnings(json_t **list, const struct np_warnings *warnings)
{
	for (size_t i = 0; i < warnings->n; i++)
		render_tree_push(list, warning_tree(&warnings->items[i]));
}

json_t *render_changes_tree(const struct np_change *change)
{
	json_t *list = json_array();

	for (size_t i = 0; i < change->n; i++) {
		const struct np_change_item *item = &change->items[i];

		render_tree_push(&list, json_pack("{s:s, s:O?, s:O?, s:o}", "path", item->path,
						  "from", item->from ? item->from : json_null(),
						  "to", item->to ? item->to : json_null(), "reason",
						  np_json_string(item->reason)));
	}
	return list;
}
