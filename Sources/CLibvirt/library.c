// SPDX-License-Identifier: Apache-2.0
/* Finds libvirt's library on this host, and runs its events. */
#define _GNU_SOURCE
#include "library.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct library library;
static bool is_loaded;

/* The library would write to standard error. */
static void say_nothing(void *unused, void *error)
{
	(void)unused;
	(void)error;
}

/* One thread for all connections: the library has one loop. */
static void *run_events(void *unused)
{
	(void)unused;
	while (true) {
		if (library.virEventRunDefaultImpl() < 0)
			usleep(100000);
	}
	return NULL;
}

static bool find_functions(void *handle, char **error)
{
	void *found;

#define X(name, result, parameters)                                                                    \
	found = dlsym(handle, #name);                                                                  \
	if (!found) {                                                                                  \
		*error = strdup("libvirt's library has no " #name ": it is too old, 1.2.6 is needed"); \
		return false;                                                                          \
	}                                                                                              \
	memcpy(&library.name, &found, sizeof(found));
	LIBVIRT_FUNCTIONS(X)
#undef X
	return true;
}

static bool load(char **error)
{
	pthread_t thread;
	void *handle = dlopen("libvirt.so.0", RTLD_NOW | RTLD_LOCAL);

	if (!handle) {
		if (asprintf(error, "libvirt's library cannot be loaded: %s; install libvirt0", dlerror()) < 0)
			*error = NULL;
		return false;
	}
	if (!find_functions(handle, error))
		return false;
	library.virSetErrorFunc(NULL, say_nothing);
	if (library.virEventRegisterDefaultImpl() < 0 || pthread_create(&thread, NULL, run_events, NULL)) {
		*error = strdup("libvirt's events cannot be followed");
		return false;
	}
	pthread_detach(thread);
	return true;
}

const struct library *libvirt_library(char **error)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

	pthread_mutex_lock(&lock);
	if (!is_loaded)
		is_loaded = load(error);
	pthread_mutex_unlock(&lock);
	return is_loaded ? &library : NULL;
}
