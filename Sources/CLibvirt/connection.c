// SPDX-License-Identifier: Apache-2.0
/* A connection to libvirt: what happens, the guests that run, what networks have lent. */
#define _GNU_SOURCE
#include "clibvirt.h"
#include "library.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { EVENT_KINDS = 4 };

struct bulkhead_libvirt {
	const struct library *library;
	connect_t connection;
	int callbacks[EVENT_KINDS];
	bool knows_close;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint64_t events;
	bool is_gone;
	/* The owner, and each callback that the library may still call. */
	int holders;
};

/* ---- Who holds a connection ---- */

static void hold(struct bulkhead_libvirt *libvirt)
{
	pthread_mutex_lock(&libvirt->lock);
	libvirt->holders++;
	pthread_mutex_unlock(&libvirt->lock);
}

static void release(void *holder)
{
	struct bulkhead_libvirt *libvirt = holder;
	bool is_last;

	pthread_mutex_lock(&libvirt->lock);
	is_last = --libvirt->holders == 0;
	pthread_mutex_unlock(&libvirt->lock);
	if (!is_last)
		return;
	pthread_cond_destroy(&libvirt->changed);
	pthread_mutex_destroy(&libvirt->lock);
	free(libvirt);
}

/* ---- What the library calls, on its thread ---- */

static void note(struct bulkhead_libvirt *libvirt, bool is_gone)
{
	pthread_mutex_lock(&libvirt->lock);
	libvirt->events++;
	libvirt->is_gone |= is_gone;
	pthread_cond_broadcast(&libvirt->changed);
	pthread_mutex_unlock(&libvirt->lock);
}

static int on_lifecycle(connect_t connection, domain_t domain, int event, int detail, void *libvirt)
{
	(void)connection, (void)domain, (void)event, (void)detail;
	note(libvirt, false);
	return 0;
}

static void on_device(connect_t connection, domain_t domain, const char *alias, void *libvirt)
{
	(void)connection, (void)domain, (void)alias;
	note(libvirt, false);
}

static void on_metadata(connect_t connection, domain_t domain, int type, const char *uri, void *libvirt)
{
	(void)connection, (void)domain, (void)type, (void)uri;
	note(libvirt, false);
}

static void on_close(connect_t connection, int reason, void *libvirt)
{
	(void)connection, (void)reason;
	note(libvirt, true);
}

/* ---- Opening, closing ---- */

static char *last_error(const struct library *library)
{
	const char *words = library->virGetLastErrorMessage();

	return strdup(words ? words : "libvirt does not say why");
}

static void follow(struct bulkhead_libvirt *libvirt)
{
	const struct {
		int kind;
		void (*call)(void);
	} kinds[EVENT_KINDS] = {
		{ EVENT_LIFECYCLE, (void (*)(void))on_lifecycle },
		{ EVENT_DEVICE_ADDED, (void (*)(void))on_device },
		{ EVENT_DEVICE_REMOVED, (void (*)(void))on_device },
		{ EVENT_METADATA, (void (*)(void))on_metadata },
	};

	for (int i = 0; i < EVENT_KINDS; i++) {
		hold(libvirt);
		libvirt->callbacks[i] = libvirt->library->virConnectDomainEventRegisterAny(
			libvirt->connection, NULL, kinds[i].kind, kinds[i].call, libvirt, release);
		if (libvirt->callbacks[i] < 0)
			release(libvirt);
	}
	hold(libvirt);
	libvirt->knows_close =
		!libvirt->library->virConnectRegisterCloseCallback(libvirt->connection, on_close, libvirt, release);
	if (!libvirt->knows_close)
		release(libvirt);
}

struct bulkhead_libvirt *bulkhead_libvirt_open(const char *uri, char **error)
{
	const struct library *library = libvirt_library(error);
	struct bulkhead_libvirt *libvirt;
	pthread_condattr_t clock;

	if (!library)
		return NULL;
	libvirt = calloc(1, sizeof(*libvirt));
	if (!libvirt)
		return NULL;
	libvirt->library = library;
	libvirt->holders = 1;
	pthread_mutex_init(&libvirt->lock, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&libvirt->changed, &clock);
	pthread_condattr_destroy(&clock);
	libvirt->connection = library->virConnectOpenReadOnly(uri);
	if (!libvirt->connection) {
		*error = last_error(library);
		release(libvirt);
		return NULL;
	}
	/* A daemon that hangs is as good as gone. */
	library->virConnectSetKeepAlive(libvirt->connection, 5, 3);
	follow(libvirt);
	return libvirt;
}

void bulkhead_libvirt_close(struct bulkhead_libvirt *libvirt)
{
	const struct library *library = libvirt->library;

	for (int i = 0; i < EVENT_KINDS; i++) {
		if (libvirt->callbacks[i] >= 0)
			library->virConnectDomainEventDeregisterAny(libvirt->connection, libvirt->callbacks[i]);
	}
	if (libvirt->knows_close)
		library->virConnectUnregisterCloseCallback(libvirt->connection, on_close);
	library->virConnectClose(libvirt->connection);
	release(libvirt);
}

/* ---- What happens ---- */

uint64_t bulkhead_libvirt_events(struct bulkhead_libvirt *libvirt)
{
	uint64_t events;

	pthread_mutex_lock(&libvirt->lock);
	events = libvirt->events;
	pthread_mutex_unlock(&libvirt->lock);
	return events;
}

int bulkhead_libvirt_wait(struct bulkhead_libvirt *libvirt, uint64_t events, int milliseconds)
{
	struct timespec end;
	int result, error = 0;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += milliseconds / 1000;
	end.tv_nsec += milliseconds % 1000 * 1000000L;
	if (end.tv_nsec >= 1000000000L) {
		end.tv_nsec -= 1000000000L;
		end.tv_sec++;
	}
	pthread_mutex_lock(&libvirt->lock);
	while (!error && libvirt->events == events && !libvirt->is_gone)
		error = pthread_cond_timedwait(&libvirt->changed, &libvirt->lock, &end);
	result = libvirt->is_gone ? -1 : libvirt->events != events;
	pthread_mutex_unlock(&libvirt->lock);
	return result;
}

/* ---- What there is ---- */

void bulkhead_libvirt_free_texts(char **texts)
{
	if (!texts)
		return;
	for (char **text = texts; *text; text++)
		free(*text);
	free(texts);
}

char **bulkhead_libvirt_guests(struct bulkhead_libvirt *libvirt, size_t most, char **error)
{
	const struct library *library = libvirt->library;
	domain_t *domains = NULL;
	int count = library->virConnectListAllDomains(libvirt->connection, &domains, DOMAINS_ACTIVE);
	size_t taken = 0;
	char **texts;

	if (count < 0) {
		*error = last_error(library);
		return NULL;
	}
	texts = calloc((size_t)count + 1, sizeof(*texts));
	for (int i = 0; i < count; i++) {
		if (texts && taken < most && !*error) {
			texts[taken] = library->virDomainGetXMLDesc(domains[i], 0);
			if (texts[taken])
				taken++;
			/* One that has ended has none. That another cannot be read does not say that it is gone. */
			else if (library->virGetLastErrorCode() != ERROR_NO_DOMAIN)
				*error = last_error(library);
		}
		library->virDomainFree(domains[i]);
	}
	free(domains);
	if (*error) {
		bulkhead_libvirt_free_texts(texts);
		return NULL;
	}
	return texts;
}

/* `MAC ADDRESS`, or NULL. */
static char *lease_text(const struct lease *lease)
{
	char *text;

	if (!lease->mac || !lease->address)
		return NULL;
	text = malloc(strlen(lease->mac) + strlen(lease->address) + 2);
	if (text)
		stpcpy(stpcpy(stpcpy(text, lease->mac), " "), lease->address);
	return text;
}

char **bulkhead_libvirt_leases(struct bulkhead_libvirt *libvirt, const char *name, char **error)
{
	const struct library *library = libvirt->library;
	network_t network = library->virNetworkLookupByName(libvirt->connection, name);
	struct lease **leases = NULL;
	size_t taken = 0;
	char **texts;
	int count;

	if (!network) {
		*error = last_error(library);
		return NULL;
	}
	count = library->virNetworkGetDHCPLeases(network, NULL, &leases, 0);
	if (count < 0)
		*error = last_error(library);
	library->virNetworkFree(network);
	if (count < 0)
		return NULL;
	texts = calloc((size_t)count + 1, sizeof(*texts));
	for (int i = 0; i < count; i++) {
		char *text = texts ? lease_text(leases[i]) : NULL;

		if (text)
			texts[taken++] = text;
		library->virNetworkDHCPLeaseFree(leases[i]);
	}
	free(leases);
	return texts;
}
