/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fakegpu - a QEMU plugin that makes of QEMU's devices "edu" what PCI devices are wanted: ids, class, BARs.
 *
 * No device of QEMU lets its user choose these. A plugin is loaded into QEMU before devices are made, and
 * Debian's QEMU exports its own functions to it (it is built with loadable modules), so that this one can
 * edit the class of "edu" and put a function of its own in the place where a device registers its BARs.
 * The n-th "edu" that is made, be it plugged in later, becomes the n-th card.
 *
 *   -plugin fakegpu.so,card=10de:20b0;0302;0/16M/32:1/64G/64p:3/32M/64p,card=... -device edu -device edu
 *
 * A BAR is INDEX/SIZE/KIND: 32 or 64 bits, p where prefetchable. No memory lies behind a BAR.
 * It leans on the order of members in one structure of QEMU, which is looked for by the ids of "edu".
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CARDS_MAX 64
#define BARS_MAX 6
#define REGION_BYTES 4096 /* more than any version's MemoryRegion takes */

/* QEMU 7.2 has version 1 of its plugin interface, QEMU 10 version 4. */
#ifndef PLUGIN_VERSION
#define PLUGIN_VERSION 1
#endif
int qemu_plugin_version = PLUGIN_VERSION;

/* Functions of QEMU itself. */
void *object_class_by_name(const char *name);
void memory_region_init(void *region, void *owner, const char *name, uint64_t size);
void pci_register_bar(void *device, int index, uint8_t type, void *region);

/* The end of struct PCIDeviceClass. */
struct class_end {
	void (*realize)(void *device, void **errp);
	void (*exit)(void *device);
	void *config_read, *config_write;
	uint16_t vendor, device;
	uint8_t revision;
	uint16_t class_id, subsystem_vendor, subsystem_device;
};

static struct card {
	unsigned vendor, device, class_id;
	int n_bars;
	struct bar {
		int index;
		uint64_t size;
		uint8_t type;
	} bars[BARS_MAX];
} cards[CARDS_MAX];
static int n_cards, n_made;
static struct class_end *edu;

static void become(const struct card *card)
{
	edu->vendor = (uint16_t)card->vendor;
	edu->device = (uint16_t)card->device;
	edu->class_id = (uint16_t)card->class_id;
}

/* Runs for each device, after QEMU has filled its ids in from the class. */
static void realize(void *device, void **errp)
{
	const struct card *card = &cards[n_made % n_cards];

	(void)errp;
	for (int i = 0; i < card->n_bars; i++) {
		void *region = calloc(1, REGION_BYTES);
		char name[32];

		if (!region)
			abort();
		snprintf(name, sizeof(name), "fakegpu-bar%d", card->bars[i].index);
		memory_region_init(region, device, name, card->bars[i].size);
		pci_register_bar(device, card->bars[i].index, card->bars[i].type, region);
	}
	n_made++;
	become(&cards[n_made % n_cards]);
}

static int parse_bar(const char *text, struct bar *ret)
{
	unsigned long long size;
	unsigned index;
	char unit, kind[4];

	if (sscanf(text, "%u/%llu%c/%3s", &index, &size, &unit, kind) != 4 || index >= BARS_MAX)
		return -1;
	switch (unit) {
	case 'K':
		ret->size = size << 10;
		break;
	case 'M':
		ret->size = size << 20;
		break;
	case 'G':
		ret->size = size << 30;
		break;
	default:
		return -1;
	}
	ret->index = (int)index;
	ret->type = (uint8_t)((strncmp(kind, "64", 2) == 0 ? 4 : 0) | (strchr(kind, 'p') ? 8 : 0));
	return 0;
}

static int parse_card(char *text)
{
	struct card *card = &cards[n_cards];
	char *bars = strrchr(text, ';'), *rest = NULL;

	if (n_cards == CARDS_MAX || !bars ||
	    sscanf(text, "%x:%x;%x", &card->vendor, &card->device, &card->class_id) != 3)
		return -1;
	for (char *bar = strtok_r(bars + 1, ":", &rest); bar; bar = strtok_r(NULL, ":", &rest)) {
		if (card->n_bars == BARS_MAX || parse_bar(bar, &card->bars[card->n_bars]) < 0)
			return -1;
		card->n_bars++;
	}
	n_cards++;
	return 0;
}

/* 1234:11e8, revision 0x10, class 00ff: what "edu" has of its own. */
static struct class_end *find_class_end(void)
{
	static const unsigned char ids[] = { 0x34, 0x12, 0xe8, 0x11, 0x10, 0x00, 0xff, 0x00 };
	char *class = object_class_by_name("edu");

	for (size_t at = 0; class && at < 512; at += 2) {
		if (memcmp(class + at, ids, sizeof(ids)) == 0)
			return (struct class_end *)(void *)(class + at -
							    offsetof(struct class_end, vendor));
	}
	return NULL;
}

int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
	(void)id;
	(void)info;
	for (int i = 0; i < argc; i++) {
		char *copy = strncmp(argv[i], "card=", 5) == 0 ? strdup(argv[i] + 5) : NULL;

		if (!copy || parse_card(copy) < 0) {
			fprintf(stderr, "fakegpu: no card: '%s'\n", argv[i]);
			return -1;
		}
		free(copy);
	}
	edu = find_class_end();
	if (!edu || n_cards == 0) {
		fprintf(stderr, "fakegpu: no card, or a QEMU whose classes look different\n");
		return -1;
	}
	edu->realize = realize;
	edu->exit = NULL;
	edu->revision = 0xa1;
	become(&cards[0]);
	return 0;
}
