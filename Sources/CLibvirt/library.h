/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of libvirt's library that are used, as its documentation has them. For the files of this folder. */
#ifndef BULKHEAD_LIBVIRT_LIBRARY_H
#define BULKHEAD_LIBVIRT_LIBRARY_H

#include <stddef.h>

typedef struct vir_connect *connect_t;
typedef struct vir_domain *domain_t;
typedef struct vir_network *network_t;

/* virNetworkDHCPLease */
struct lease {
	char *device;
	long long expires;
	int type;
	char *mac;
	char *association;
	char *address;
	unsigned int prefix;
	char *hostname;
	char *client;
};

enum {
	DOMAINS_ACTIVE = 1,  /* VIR_CONNECT_LIST_DOMAINS_ACTIVE */
	EVENT_LIFECYCLE = 0, /* VIR_DOMAIN_EVENT_ID_* */
	EVENT_DEVICE_REMOVED = 15,
	EVENT_DEVICE_ADDED = 19,
	EVENT_METADATA = 23,
	ERROR_NO_DOMAIN = 42, /* VIR_ERR_NO_DOMAIN */
};

/* The name in the library, what it returns, and what it takes. */
#define LIBVIRT_FUNCTIONS(X)                                                                                           \
	X(virEventRegisterDefaultImpl, int, (void))                                                                    \
	X(virEventRunDefaultImpl, int, (void))                                                                         \
	X(virSetErrorFunc, void, (void *, void (*)(void *, void *)))                                                   \
	X(virGetLastErrorMessage, const char *, (void))                                                                \
	X(virGetLastErrorCode, int, (void))                                                                            \
	X(virConnectOpenReadOnly, connect_t, (const char *))                                                           \
	X(virConnectClose, int, (connect_t))                                                                           \
	X(virConnectSetKeepAlive, int, (connect_t, int, unsigned int))                                                 \
	X(virConnectRegisterCloseCallback, int,                                                                        \
	  (connect_t, void (*)(connect_t, int, void *), void *, void (*)(void *)))                                     \
	X(virConnectUnregisterCloseCallback, int, (connect_t, void (*)(connect_t, int, void *)))                       \
	X(virConnectDomainEventRegisterAny, int, (connect_t, domain_t, int, void (*)(void), void *, void (*)(void *))) \
	X(virConnectDomainEventDeregisterAny, int, (connect_t, int))                                                   \
	X(virConnectListAllDomains, int, (connect_t, domain_t **, unsigned int))                                       \
	X(virDomainGetXMLDesc, char *, (domain_t, unsigned int))                                                       \
	X(virDomainFree, int, (domain_t))                                                                              \
	X(virNetworkLookupByName, network_t, (connect_t, const char *))                                                \
	X(virNetworkGetDHCPLeases, int, (network_t, const char *, struct lease ***, unsigned int))                     \
	X(virNetworkDHCPLeaseFree, void, (struct lease *))                                                             \
	X(virNetworkFree, int, (network_t))

struct library {
#define X(name, result, parameters) result(*name) parameters;
	LIBVIRT_FUNCTIONS(X)
#undef X
};

/* The library, with a thread that waits for its events; NULL with `error` where it is not there. */
const struct library *libvirt_library(char **error);

#endif
