/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 of nettle, by the names that all its versions have. */
#ifndef BULKHEAD_CNETTLE_H
#define BULKHEAD_CNETTLE_H

#include <nettle/sha2.h>
#include <nettle/version.h>
#include <stddef.h>
#include <stdint.h>

static inline void bulkhead_sha256_init(struct sha256_ctx *context)
{
	sha256_init(context);
}

static inline void bulkhead_sha256_update(struct sha256_ctx *context, size_t count, const uint8_t *bytes)
{
	sha256_update(context, count, bytes);
}

/* Writes the 32 bytes of the digest, and starts anew. */
static inline void bulkhead_sha256_digest(struct sha256_ctx *context, uint8_t *digest)
{
#if NETTLE_VERSION_MAJOR >= 4
	sha256_digest(context, digest);
#else
	sha256_digest(context, SHA256_DIGEST_SIZE, digest);
#endif
}

#endif
