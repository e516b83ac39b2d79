/*
 * idjag: an ID-JAG goes in, an access token comes out, and every exchange leaves a record.
 *
 * Written from ffi/src by `UPDATE_HEADER=1 cargo test -p idjag-ffi --test header`; a test compares.
 *
 * MODEL. An identity provider (IdP) signs an ID-JAG, the assertion, for one person, one client and one resource. A handle,
 * idjag_exchange_t, is made from a configuration: who is trusted, who gets what. idjag_exchange verifies the assertion,
 * applies the policy, uses the assertion up and mints an access token; idjag_verify takes that token at the resource, on
 * every request. idjag_endpoint_handle does all that a token endpoint does: hand it the bytes of the HTTP request, and send
 * what it gives back. The other party, an IdP's token endpoint, is idjag_idp_t. The library listens nowhere. It fetches what
 * the configuration says is to be fetched, and nothing else: the keys of IdPs and of clients (`jwks_uri`, `discover`), and
 * documents of clients at the origins in `[client_documents]`. It reads and writes files only where a configuration names them:
 * the record, keys that were fetched, a store that processes share. Keys, directory and policy are swapped whole while it runs
 * (idjag_put_*, idjag_reload), and what was issued can be taken back (idjag_revoke).
 *
 *     #include <idjag.h>
 *     #include <stdio.h>
 *     #include <string.h>
 *
 *     int answer(const idjag_exchange_t *exchange, const char *assertion, const char *client_id) {
 *         idjag_error_t error = IDJAG_ERROR_INIT;
 *         idjag_request_t request = IDJAG_REQUEST_INIT;
 *         idjag_token_t *token = NULL;
 *         request.assertion = assertion;
 *         request.assertion_length = strlen(assertion);
 *         request.client_id = client_id;
 *         request.client_id_length = strlen(client_id);
 *         if (idjag_exchange(exchange, &request, &token, &error) != IDJAG_OK) {
 *             fprintf(stderr, "refused: %s\n", error.slug ? error.slug : error.message);
 *             return error.http_status;
 *         }
 *         printf("%s\n", idjag_token_access_token(token, NULL));
 *         idjag_token_free(token);
 *         return 200;
 *     }
 *
 * RESULTS. What can fail gives an idjag_result_t; IDJAG_OK is 0. What it makes is written through the pointers for it on
 * IDJAG_OK only. The detail of anything else goes to an idjag_error_t of yours, or nowhere where you pass NULL. Nothing is
 * kept between calls: there is no "last error".
 *
 * OWNERSHIP. What you pass is borrowed until the function returns. What you get as `T **` is an object of yours: free it
 * once, with the function that its type names; objects outlive the handle that made them. Freeing NULL does nothing. Texts
 * that you get as `const char *` belong to the object and are there until it is freed. A token is never "too large for the
 * buffer": there is no buffer, because by then the assertion is spent.
 *
 * TEXTS go in as pointer and length, and need no NUL. NULL with length 0 is "none" where a member says so. They come out
 * with a NUL behind them, in UTF-8. What comes from outside may hold any bytes; what is not UTF-8 matches nothing.
 *
 * STRUCTURES that you fill begin with `struct_size`. Begin each with its _INIT macro, which sets it; what you do not set is
 * none. So a program that was compiled against an older header goes on with a newer library. The other way round, a member
 * that the library does not know must be zero, or the call is IDJAG_MISUSE. In arrays of them each states the same size.
 *
 * THREADS. `const T *`: any number of threads at once. `T *`: one, which nobody else uses at the time. The library has threads
 * of its own: where keys are fetched, where a record is kept, and in idjag_exchange_many. They have the signal mask of whoever
 * calls: block the signals that you wait for before you make a handle. The shared library is never unloaded.
 *
 * FORK. A handle belongs to the process that made it: each process would use an assertion up for itself, and a child has none of
 * the threads. In a child of fork a handle of its parent is IDJAG_MISUSE, and freeing it frees nothing. A child makes its own, from
 * a configuration that lets several processes share what they must share, or once the parent has freed its own. No thread may be
 * in idjag_exchange_new or idjag_reload while another one forks, unless the child does nothing but exec.
 *
 * MISUSE. NULL where something must be is IDJAG_MISUSE, and functions without a result give NULL or 0. Pointers into memory
 * that is not yours, objects that were freed, lengths beyond the end: those cannot be noticed.
 */

#ifndef IDJAG_H
#define IDJAG_H

#include <stddef.h>
#include <stdint.h>

// The version that this header is of; idjag_version() gives the one that runs.
#define IDJAG_VERSION "0.1.0"

// An answer to a claim: nobody held the key, and this claim holds it now.
#define IDJAG_CLAIM_FIRST 11

// An answer to a claim: it was used before.
#define IDJAG_CLAIM_SEEN 12

// No token came: answer with 401.
#define IDJAG_CHALLENGE_MISSING 1

// The token that came is not valid: answer with 401.
#define IDJAG_CHALLENGE_INVALID 2

// The token is valid and lacks scopes: answer with 403.
#define IDJAG_CHALLENGE_INSUFFICIENT_SCOPE 3

// The token is bound to a key, and came without a proof or with one by another key: answer with 401.
#define IDJAG_CHALLENGE_NOT_PROVEN 4

// The DPoP proof is not acceptable: answer with 401.
#define IDJAG_CHALLENGE_INVALID_PROOF 5

// The DPoP proof needs a nonce: answer with 401, and with idjag_dpop_nonce as `DPoP-Nonce`.
#define IDJAG_CHALLENGE_USE_NONCE 6

// A directory as JSON: `{"version":1,"people":[…]}`.
#define IDJAG_DIRECTORY_JSON 1

// A directory as CSV: `issuer,tenant,subject,active,group`, a row for each group.
#define IDJAG_DIRECTORY_CSV 2

// One access token: `name` is its `jti`, `expires_at` its `exp` and the leeway.
#define IDJAG_REVOKE_TOKEN 1

// One person: `name` is the subject, `issuer` the IdP, `tenant` the tenant there.
#define IDJAG_REVOKE_PERSON 2

// One client: `name` is its client_id.
#define IDJAG_REVOKE_CLIENT 3

// One connector: `name` is its id in the policy.
#define IDJAG_REVOKE_CONNECTOR 4

// One IdP with all its tenants: `name` is its issuer identifier.
#define IDJAG_REVOKE_ISSUER 5

// The keys are as young as they should be.
#define IDJAG_SOURCE_FRESH 1

// They should have been fetched anew, which failed; they still count.
#define IDJAG_SOURCE_STALE 2

// There are none, or they were too old.
#define IDJAG_SOURCE_ABSENT 3

// How a call ended. New values may be added; none is ever used for something else.
typedef enum {
    // It is done, and what was asked for is written.
    IDJAG_OK = 0,
    // The answer is no. What to tell the client is in `oauth_error` and `message`; `slug` is for your log.
    IDJAG_REFUSED = 1,
    // It cannot be known at the moment: keys, single-use store or record are out of reach. Answer with 503.
    IDJAG_UNAVAILABLE = 2,
    // A configuration, policy, directory or key set cannot be used; `message` says where and why. What was there before
    // stays.
    IDJAG_LOAD_FAILED = 3,
    // There is nothing of that name.
    IDJAG_NOT_FOUND = 4,
    // The call is wrong: NULL where there must be something, a structure that was not set with its _INIT. A fault of the
    // program that calls.
    IDJAG_MISUSE = 5,
    // The library is wrong: it stopped in the middle of this call. Nothing is written; the handle can be used on.
    IDJAG_PANIC = 6,
} idjag_result_t;

// An HTTP response, but for the length of its body.
//
// Given by the idjag_endpoint_ functions and idjag_idp_handle; yours to free with idjag_response_free. Threads: any number may read it.
typedef struct idjag_response_t idjag_response_t;

// What is fetched, while it is.
//
// Lent to your fetch, client_document or client_keys until it returns, and never yours to free. Threads: the one of that call.
typedef struct idjag_document_t idjag_document_t;

// The engine: configuration, keys, policy, directory, and which assertions were used.
//
// Made by idjag_exchange_new; yours to free with idjag_exchange_free. Threads: any number at once, also while keys, policy
// or directory are replaced. Freed by one, when no other uses it.
typedef struct idjag_exchange_t idjag_exchange_t;

// The keys that are fetched, as they stood at one moment.
//
// Given by idjag_sources; yours to free with idjag_sources_free. Threads: any number may read it.
typedef struct idjag_sources_t idjag_sources_t;

// An identity provider that takes ID tokens and issues ID-JAGs, by a table of its own. It signs nobody in. It never changes:
// for another configuration make another one.
//
// Made by idjag_idp_new; yours to free with idjag_idp_free. Threads: any number at once. Freed by one, when no other uses it.
typedef struct idjag_idp_t idjag_idp_t;

// A text.
//
// Given by the functions that make documents; yours to free with idjag_text_free. Threads: any number may read it.
typedef struct idjag_text_t idjag_text_t;

// An access token that was issued. It is the only copy: the assertion is spent.
//
// Given by idjag_exchange and idjag_exchange_many; yours to free with idjag_token_free. Threads: any number may read it.
typedef struct idjag_token_t idjag_token_t;

// Who presents a token, and what they may do, as of the call that gave it.
//
// A person is issuer, tenant and subject together, never the subject alone. Given by idjag_verify; yours to free with
// idjag_verified_free. Threads: any number may read it.
typedef struct idjag_verified_t idjag_verified_t;

// A configuration, as TOML or JSON: a file, or a text.
//
// The caller's own, set with IDJAG_CONFIG_INIT; borrowed for the call.
typedef struct {
    // The size of this structure: IDJAG_CONFIG_INIT sets it.
    size_t struct_size;
    // The path of the configuration's file; paths in it are relative to its folder. Then all that follows is NULL.
    const char *file;
    // Its length.
    size_t file_length;
    // Or the configuration itself. Text that begins with `{` is JSON, other text is TOML.
    const char *text;
    // Its length.
    size_t text_length;
    // What the text is called in messages. NULL: `configuration`.
    const char *name;
    // Its length.
    size_t name_length;
    // The folder that paths in the text are relative to. NULL: the text names no files.
    const char *folder;
    // Its length.
    size_t folder_length;
} idjag_config_t;

// What the engine asks its host, given once.
//
// The caller's own, set with IDJAG_CALLBACKS_INIT; copied. The functions are called by whichever thread calls idjag; `fetch`
// and `record` by threads of the library as well, and within idjag_exchange_many those of single use and of the record by helpers that end with
// the call; by several at once, until the handle is freed. They must return, with no exception and no longjmp,
// and must not call that handle.
typedef struct {
    // The size of this structure: IDJAG_CALLBACKS_INIT sets it.
    size_t struct_size;
    // Given to each function. It stays yours.
    void *context;
    // The time, in seconds since 1970. NULL: the system's. Asked once for a call or a batch.
    int64_t (*clock)(void *context);
    // Fetches the metadata document of a client whose client_id is its URL (`[client_documents]`), and gives it to
    // idjag_document_append. Gives IDJAG_OK; IDJAG_NOT_FOUND where there is none, and the client is refused; anything else
    // where it cannot be asked now, and the client is told to try again. NULL: never asked.
    //
    // It is asked for https URLs at the configured origins only, and only for a request whose assertion has passed every
    // check. Follow no redirect, connect to no private address, bound size and time, and cache. `url` ends in NUL.
    int (*client_document)(void *context, const char *url, size_t url_length, idjag_document_t *document);
    // The same for the key set that such a document names, at its own origin. NULL: it cannot be asked. Both are for hosts that
    // have such documents already: where `client_document` is NULL they are fetched as keys are.
    int (*client_keys)(void *context, const char *url, size_t url_length, idjag_document_t *document);
    // Makes one GET over https in place of the library, for hosts with a way out of their own. Gives the status of the answer:
    // 200, with the body by idjag_document_append; 304, where `etag` is not NULL and still so (`If-None-Match`); any other.
    // 0: it could not be asked. Give the headers by idjag_document_header, for how long the answer is fresh. NULL: the library
    // fetches.
    //
    // Asked is what the configuration wants fetched and nothing else, as often as it would be otherwise; `url` is written down,
    // or in the metadata of an IdP that is. What it leads to is then for you to look at: check certificates; connect to no
    // private, loopback, link-local or metadata address (`is_local` is 1 where `local = true` allows the first two), and only to
    // the address that you looked at; follow no redirect; take no more than 10 s. Where you cannot wait for an answer give 0, and
    // put the keys with idjag_put_jwks when they came: until then requests are told to try again. `url` and `etag` end in NUL.
    int (*fetch)(void *context,
                 const char *url,
                 size_t url_length,
                 const char *etag,
                 size_t etag_length,
                 int is_local,
                 idjag_document_t *document);
    // Single use by the host, in place of the table in memory: claims `count` keys at once, and writes an answer for each into
    // `answers`: IDJAG_CLAIM_FIRST or IDJAG_CLAIM_SEEN. Anything else, as the 0 that stands there, is no answer: the request gets
    // 503, never a token. NULL: the store that the configuration names.
    //
    // Key number n is the 16 bytes from `keys + 16 * n`; it is to be held while the time is not later than `expires_at[n]`. Each
    // claim is atomic: of any number of claims of one key, by whoever shares the store, exactly one is the first while it is held;
    // in one call that with the lowest number. What is answered otherwise may or may not be held. `now` and `expires_at` are seconds
    // since 1970. The configuration must name no other store; and revocations are not told to others: make them everywhere.
    void (*claim)(void *context,
                  const uint8_t *keys,
                  const int64_t *expires_at,
                  size_t count,
                  int64_t now,
                  uint32_t *answers);
    // What a claim of the 16 bytes at `key` would be answered, without claiming it: to refuse before a client's document is
    // fetched. Never a reason to accept. NULL: that is found out later.
    uint32_t (*seen)(void *context, const uint8_t *key, int64_t now);
    // Since when `claim` remembers, in seconds since 1970: assertions from before are refused (`replay.cold_start`). Asked before
    // and after each claim, which is worth nothing if memory began anew in between. NULL: since the handle was made.
    int64_t (*remembers_since)(void *context);
    // The record by the host, in place of the one on disk (`audit = "off"`): takes a line, a JSON object without an
    // end of line and without NUL, below 64 KiB, borrowed for the call. Gives IDJAG_OK, and a number in `receipt` for `record_wait`;
    // anything else where it cannot be kept: then no token is issued, and what would be refused gets 503. NULL: the record that
    // the configuration asks for.
    //
    // Every exchange is a line, granted or refused, and so are policies, keys and revocations. Of those that anybody can make without
    // a good signature each is one, too: bound what you keep.
    int (*record)(void *context, const char *line, size_t length, uint64_t *receipt);
    // Waits until what was taken under `receipt` is durable, and gives IDJAG_OK; anything else where it will not be, and the token
    // is not handed out. Asked of grants, of revocations, and of what a client spent to prove itself; of the last two not for receipt 0.
    // What was taken before is durable then, too: of what else a grant spent, nobody asks. NULL: what was taken is durable.
    int (*record_wait)(void *context, uint64_t receipt);
} idjag_callbacks_t;

// Why a call did not end with IDJAG_OK, which leaves it as it is.
//
// The caller's own, set with IDJAG_ERROR_INIT; nothing in it is ever freed. For one thread at a time. Every function takes
// NULL in its place.
typedef struct {
    // The size of this structure: IDJAG_ERROR_INIT sets it.
    size_t struct_size;
    // The code for the `error` member of the answer (RFC 6749 section 5.2). NULL where there is nothing to answer.
    const char *oauth_error;
    // Why, for logs and metrics; never to be sent. NULL where it was no refusal. Slugs never change once released.
    const char *slug;
    // The HTTP status of the answer. 0 where there is nothing to answer.
    int http_status;
    // Seconds for `Retry-After`. 0: no such header.
    int retry_after_s;
    // A sentence in UTF-8, ending in NUL, cut where it is longer. After a refusal it may be sent as `error_description`.
    char message[200];
} idjag_error_t;

// A request to exchange an ID-JAG (RFC 7523 section 2.1). You have authenticated the client.
//
// The caller's own, set with IDJAG_REQUEST_INIT; borrowed for the call.
typedef struct {
    // The size of this structure: IDJAG_REQUEST_INIT sets it.
    size_t struct_size;
    // The `assertion` parameter.
    const char *assertion;
    // Its length.
    size_t assertion_length;
    // The authenticated client.
    const char *client_id;
    // Its length.
    size_t client_id_length;
    // The `scope` parameter. NULL or empty: not asked.
    const char *scope;
    // Its length.
    size_t scope_length;
    // The `resource` parameters, as many as `resource_count` says. NULL: not asked.
    const char *const *resources;
    // The length of each.
    const size_t *resource_lengths;
    // How many.
    size_t resource_count;
    // The `authorization_details` parameter, JSON (RFC 9396). NULL or empty: not asked.
    const char *authorization_details;
    // Its length.
    size_t authorization_details_length;
} idjag_request_t;

// An access token and the request that presents it.
//
// The caller's own, set with IDJAG_PRESENTED_INIT; borrowed for the call.
typedef struct {
    // The size of this structure: IDJAG_PRESENTED_INIT sets it.
    size_t struct_size;
    // The token, without `Bearer` or `DPoP`.
    const char *token;
    // Its length.
    size_t token_length;
    // The resource at which it is presented: yours, never one that the request names.
    const char *resource;
    // Its length.
    size_t resource_length;
    // The `DPoP` header (RFC 9449), where the token came with that scheme. NULL: it came as `Bearer`.
    const char *dpop;
    // Its length.
    size_t dpop_length;
    // With `dpop`: the method of the request.
    const char *method;
    // Its length.
    size_t method_length;
    // With `dpop`: the URL of the request, as the client wrote it.
    const char *url;
    // Its length.
    size_t url_length;
    // The client's certificate in DER, where TLS asked for one (RFC 8705). NULL: none.
    const char *client_certificate;
    // Its length.
    size_t client_certificate_length;
} idjag_presented_t;

// A header of a request. One that came twice stands twice.
//
// The caller's own, set with IDJAG_HEADER_INIT; borrowed for the call.
typedef struct {
    // The size of this structure: IDJAG_HEADER_INIT sets it.
    size_t struct_size;
    // The name, in any case.
    const char *name;
    // Its length.
    size_t name_length;
    // The value.
    const char *value;
    // Its length.
    size_t value_length;
} idjag_header_t;

// A request to one of the endpoints, as it came.
//
// The caller's own, set with IDJAG_HTTP_REQUEST_INIT; borrowed for the call.
typedef struct {
    // The size of this structure: IDJAG_HTTP_REQUEST_INIT sets it.
    size_t struct_size;
    // The method.
    const char *method;
    // Its length.
    size_t method_length;
    // The request target: path, and query if there is one.
    const char *target;
    // Its length.
    size_t target_length;
    // The headers, `header_count` structures of one size, in order.
    const idjag_header_t *headers;
    // How many.
    size_t header_count;
    // The body. One that was cut off one byte beyond `limits.max_body_bytes` is refused as the whole would be.
    const char *body;
    // Its length.
    size_t body_length;
    // The client's certificate in DER, where TLS asked for one and the client proved that the key is its own. NULL: none.
    const char *client_certificate;
    // Its length.
    size_t client_certificate_length;
    // Who connects: an IP address, or another name that the client cannot choose. Failures to prove a client are limited for
    // each peer; behind a proxy, say what the proxy says. NULL: they are not limited.
    const char *peer;
    // Its length.
    size_t peer_length;
} idjag_http_request_t;

// The claims of an ID token (OpenID Connect Core section 2).
//
// The caller's own, set with IDJAG_ID_TOKEN_INIT; borrowed for the call.
typedef struct {
    // The size of this structure: IDJAG_ID_TOKEN_INIT sets it.
    size_t struct_size;
    // `sub`: who signed in.
    const char *subject;
    // Its length.
    size_t subject_length;
    // `aud`: the client that the person signed in to.
    const char *client_id;
    // Its length.
    size_t client_id_length;
    // `iat`, in seconds since 1970.
    int64_t issued_at;
    // `exp` minus `iat`, in seconds.
    int64_t lifetime_s;
    // `email`. NULL: none.
    const char *email;
    // Its length.
    size_t email_length;
    // `groups`, as many as `group_count` says. NULL: none.
    const char *const *groups;
    // The length of each.
    const size_t *group_lengths;
    // How many.
    size_t group_count;
} idjag_id_token_t;

// What is taken back.
//
// The caller's own, set with IDJAG_REVOCATION_INIT; borrowed for the call.
typedef struct {
    // The size of this structure: IDJAG_REVOCATION_INIT sets it.
    size_t struct_size;
    // One of the IDJAG_REVOKE_ numbers.
    uint32_t kind;
    // Whom or what, see the number.
    const char *name;
    // Its length.
    size_t name_length;
    // With IDJAG_REVOKE_PERSON: the IdP's issuer identifier.
    const char *issuer;
    // Its length.
    size_t issuer_length;
    // With IDJAG_REVOKE_PERSON: the tenant. NULL where the IdP has none.
    const char *tenant;
    // Its length.
    size_t tenant_length;
    // With IDJAG_REVOKE_TOKEN: until when it could be accepted, in seconds since 1970.
    int64_t expires_at;
} idjag_revocation_t;

// Counters and sizes.
//
// The caller's own, set with IDJAG_STATS_INIT; idjag_stats fills it as far as `struct_size` says. For one thread at a time.
typedef struct {
    // The size of this structure: IDJAG_STATS_INIT sets it.
    size_t struct_size;
    // Exchanges that were granted.
    uint64_t granted;
    // Exchanges that were refused.
    uint64_t refused;
    // Assertions that the single-use store holds.
    uint64_t replay_entries;
    // What they take, in bytes.
    uint64_t replay_bytes;
    // What they may take.
    uint64_t replay_max_bytes;
    // People in the directory.
    uint64_t people;
    // How often keys, policy, directory, clients or revocations have changed, counted from 1.
    uint64_t generation;
    // The SHA-256 of the policy's text, in hexadecimal, ending in NUL.
    char policy_digest[72];
    // Requests that were answered with 429, at all endpoints.
    uint64_t limited;
} idjag_stats_t;

// How the keys of one IdP, or of one client with `jwks_uri`, stand.
//
// The caller's own, set with IDJAG_SOURCE_INIT; idjag_sources_at fills it as far as `struct_size` says. Its texts end in NUL, and
// are there until the list is freed. For one thread at a time.
typedef struct {
    // The size of this structure: IDJAG_SOURCE_INIT sets it.
    size_t struct_size;
    // The issuer identifier, or the client_id.
    const char *owner;
    // 1: they are a client's. 0: an IdP's.
    uint32_t is_client;
    // IDJAG_SOURCE_FRESH, IDJAG_SOURCE_STALE or IDJAG_SOURCE_ABSENT.
    uint32_t state;
    // Where they are. NULL where that is not known yet.
    const char *uri;
    // Seconds since they were last known to be so; -1: never yet.
    int64_t age_s;
    // Seconds until they are fetched next; negative: overdue.
    int64_t next_s;
    // How many fetches have ended.
    uint64_t fetches;
    // How many of the last came to nothing.
    uint32_t failures;
    // 1: they are what an earlier run has kept (`fetch.cache`), and nobody has confirmed them since. 0: they were fetched.
    uint32_t is_kept;
    // Why the last fetch came to nothing. NULL where it did not.
    const char *last_error;
} idjag_source_t;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// The version of the library that runs: the same as `IDJAG_VERSION` where it is the one that was compiled against.
// Never freed.
const char *idjag_version(void);

// Makes an engine, and opens the single-use store that the configuration names. `callbacks` may be NULL. Starts no thread but one
// that writes the record, where the configuration asks for it (`[audit]`), and those that fetch keys, where there are any to
// fetch (`jwks_uri`, `discover`). Waits for no key: a request of an IdP whose keys have not come yet waits, for 2 s at most for each look-up (idjag_endpoint_handle).
//
// IDJAG_LOAD_FAILED: the configuration, or a file that it names, cannot be used; `message` has file, line and key. Or another
// process has an engine over the same file, and each would accept the same assertion once (`replay.allow_per_process`).
idjag_result_t idjag_exchange_new(const idjag_config_t *config,
                                  const idjag_callbacks_t *callbacks,
                                  idjag_exchange_t **exchange,
                                  idjag_error_t *error);

// Frees an engine that no thread uses any more. Tokens and responses that it gave stay. NULL: nothing happens. No function of
// yours is called once it has returned: it waits for your `fetch` and your `record`, so hold no lock that they take. A fetch of
// the library's own ends by itself. In a child of fork it frees nothing.
void idjag_exchange_free(idjag_exchange_t *exchange);

// Replaces everything that the configuration names but the single-use store and the record. What it leaves to the host stays:
// keys that were put, a directory or a policy that was put, revocations; so does a signing key that is "ephemeral" before and after. What it wants fetched is fetched from then on.
idjag_result_t idjag_reload(const idjag_exchange_t *exchange,
                            const idjag_config_t *config,
                            idjag_error_t *error);

// What the configuration allows and still deserves a look: one warning a line, empty where there is none.
idjag_result_t idjag_warnings(const idjag_exchange_t *exchange,
                              idjag_text_t **warnings,
                              idjag_error_t *error);

// Gives a header of the answer that is fetched; as many as there are. `Cache-Control`, `Age` and `ETag` are looked at, and
// only for your `fetch`.
idjag_result_t idjag_document_header(idjag_document_t *document,
                                     const char *name,
                                     size_t name_length,
                                     const char *value,
                                     size_t value_length,
                                     idjag_error_t *error);

// Adds to what is fetched: everything at once, or pieces as they come. The bytes are copied.
//
// IDJAG_LOAD_FAILED: that is more than 1 MiB, which is more than is taken of anything. Stop, and return what you like.
idjag_result_t idjag_document_append(idjag_document_t *document,
                                     const char *bytes,
                                     size_t length,
                                     idjag_error_t *error);

// The text in UTF-8, ending in NUL, until it is freed. `length` may be NULL.
const char *idjag_text_data(const idjag_text_t *text, size_t *length);

// Frees it. NULL: nothing happens.
void idjag_text_free(idjag_text_t *text);

// Exchanges an assertion for an access token.
//
// On IDJAG_OK `*token` is yours. IDJAG_REFUSED: the answer is no. IDJAG_UNAVAILABLE: answer with 503; the assertion may be
// spent. Costs one verification and one signature.
idjag_result_t idjag_exchange(const idjag_exchange_t *exchange,
                              const idjag_request_t *request,
                              idjag_token_t **token,
                              idjag_error_t *error);

// Exchanges many assertions at once, on up to `threads` threads; 0: as many as there are cores.
//
// `requests` are `count` structures of one size. On IDJAG_OK each request has its answer at its place: `results` how it
// ended, `tokens` the token, or NULL, and `errors`, unless it is NULL, the detail. Each of the three has room for `count`,
// and each of `errors` is set with IDJAG_ERROR_INIT. On any other value nothing is written there, and nothing was spent
// but after IDJAG_PANIC.
idjag_result_t idjag_exchange_many(const idjag_exchange_t *exchange,
                                   const idjag_request_t *requests,
                                   size_t count,
                                   size_t threads,
                                   idjag_result_t *results,
                                   idjag_token_t **tokens,
                                   idjag_error_t *errors,
                                   idjag_error_t *error);

// The token, for the `access_token` member. Ends in NUL, until the token is freed. `length` may be NULL.
const char *idjag_token_access_token(const idjag_token_t *token, size_t *length);

// What was granted, for `scope`: separated by spaces, never empty. As idjag_token_access_token.
const char *idjag_token_scope(const idjag_token_t *token, size_t *length);

// What it is for, for `resource`. As idjag_token_access_token.
const char *idjag_token_resource(const idjag_token_t *token, size_t *length);

// The `token_type`. As idjag_token_access_token.
const char *idjag_token_token_type(const idjag_token_t *token, size_t *length);

// What was granted, for `authorization_details`, JSON (RFC 9396 section 7); NULL: the assertion has none. As
// idjag_token_access_token.
const char *idjag_token_authorization_details(const idjag_token_t *token, size_t *length);

// Seconds until it expires, for `expires_in`. 0 where `token` is NULL.
int64_t idjag_token_expires_in(const idjag_token_t *token);

// Frees it. NULL: nothing happens.
void idjag_token_free(idjag_token_t *token);

// Verifies an access token that this server minted, as of now: signature and expiry, and then the policy, directory,
// clients and revocations of this moment.
//
// A token that is bound to a key or a certificate needs its proof with each request.
//
// On IDJAG_OK `*verified` is yours. IDJAG_REFUSED: answer with `http_status` and idjag_challenge. Cheap when the same token
// comes again.
idjag_result_t idjag_verify(const idjag_exchange_t *exchange,
                            const idjag_presented_t *presented,
                            idjag_verified_t **verified,
                            idjag_error_t *error);

// `sub`, as the IdP wrote it. Ends in NUL, and may have others within; until the object is freed. `length` may be NULL.
const char *idjag_verified_subject(const idjag_verified_t *verified,
                                   size_t *length);

// The issuer identifier of the IdP that vouched for the person. As idjag_verified_subject.
const char *idjag_verified_idp(const idjag_verified_t *verified, size_t *length);

// The tenant at that IdP; NULL: none. As idjag_verified_subject.
const char *idjag_verified_tenant(const idjag_verified_t *verified, size_t *length);

// The client that the token was issued to. As idjag_verified_subject.
const char *idjag_verified_client_id(const idjag_verified_t *verified, size_t *length);

// The scopes that the token carries and the policy still grants: separated by spaces, never empty. As
// idjag_verified_subject.
const char *idjag_verified_scope(const idjag_verified_t *verified, size_t *length);

// The resource. As idjag_verified_subject.
const char *idjag_verified_resource(const idjag_verified_t *verified, size_t *length);

// The token's `jti`, for IDJAG_REVOKE_TOKEN. As idjag_verified_subject.
const char *idjag_verified_jti(const idjag_verified_t *verified, size_t *length);

// `DPoP` where the token is bound to a key, otherwise `Bearer`. As idjag_verified_subject.
const char *idjag_verified_token_type(const idjag_verified_t *verified, size_t *length);

// What the token is bound to, JSON (RFC 7800 section 3.1); NULL: nothing. As idjag_verified_subject.
const char *idjag_verified_cnf(const idjag_verified_t *verified, size_t *length);

// How many of the person's groups a grant names today.
size_t idjag_verified_group_count(const idjag_verified_t *verified);

// One of those groups, counted from 0; NULL beyond the last. As idjag_verified_subject.
const char *idjag_verified_group(const idjag_verified_t *verified, size_t index, size_t *length);

// When it was issued, in seconds since 1970. 0 where `verified` is NULL.
int64_t idjag_verified_issued_at(const idjag_verified_t *verified);

// When it expires, in seconds since 1970. 0 where `verified` is NULL.
int64_t idjag_verified_expires_at(const idjag_verified_t *verified);

// Who acts for the person, JSON (RFC 8693 section 4.1); NULL: nobody. As idjag_verified_subject.
const char *idjag_verified_act(const idjag_verified_t *verified, size_t *length);

// Every claim of the token, as it was minted, JSON. As idjag_verified_subject.
const char *idjag_verified_claims(const idjag_verified_t *verified, size_t *length);

// Frees it. NULL: nothing happens.
void idjag_verified_free(idjag_verified_t *verified);

// Answers a request to the token endpoint (RFC 6749 section 3.2): authenticates the client, exchanges the assertion.
//
// IDJAG_OK: there is a response, also where it says no. Send its status, headers and body.
//
// Waits for the record, where there is one, and for keys that have to be fetched: 2 s at most for each look-up, of which there
// may be three (a client's document, its keys, an IdP's). So not in an event loop, where anything is fetched or recorded.
idjag_result_t idjag_endpoint_handle(const idjag_exchange_t *exchange,
                                     const idjag_http_request_t *request,
                                     idjag_response_t **response,
                                     idjag_error_t *error);

// Answers a request to the revocation endpoint (RFC 7009): a client gives its own token back. As idjag_endpoint_handle.
idjag_result_t idjag_endpoint_revoke(const idjag_exchange_t *exchange,
                                     const idjag_http_request_t *request,
                                     idjag_response_t **response,
                                     idjag_error_t *error);

// Answers a request to the introspection endpoint (RFC 7662): what a token is worth at this moment. As
// idjag_endpoint_handle.
idjag_result_t idjag_endpoint_introspect(const idjag_exchange_t *exchange,
                                         const idjag_http_request_t *request,
                                         idjag_response_t **response,
                                         idjag_error_t *error);

// The status code. 0 where `response` is NULL.
int idjag_response_status(const idjag_response_t *response);

// How many headers there are.
size_t idjag_response_header_count(const idjag_response_t *response);

// The header of that number, counted from 0: its name, and `*value`; NULL beyond the last. Both end in NUL, until the
// response is freed. `value` may be NULL.
const char *idjag_response_header_at(const idjag_response_t *response,
                                     size_t index,
                                     const char **value);

// The value of the header `name`, in any case; NULL: there is none. Ends in NUL, until the response is freed.
const char *idjag_response_header(const idjag_response_t *response, const char *name, size_t name_length);

// The body, until the response is freed. Ends in NUL, which is no part of it. `length` may be NULL.
const char *idjag_response_body(const idjag_response_t *response, size_t *length);

// Why it is a refusal, for logs; nothing of it is in the response. NULL: it is none. Never freed.
const char *idjag_response_slug(const idjag_response_t *response);

// Frees it. NULL: nothing happens.
void idjag_response_free(idjag_response_t *response);

// The authorization server metadata, JSON (RFC 8414 section 2): for `/.well-known/oauth-authorization-server`, with the path
// of the issuer identifier behind it.
idjag_result_t idjag_metadata(const idjag_exchange_t *exchange,
                              idjag_text_t **metadata,
                              idjag_error_t *error);

// The URL of an authorization endpoint, in characters that need no escapes in JSON. Nothing is authorized there, and
// idjag_metadata does not name it: for clients that cannot read metadata without one (the MCP SDKs'), put the member
// `authorization_endpoint` in, and answer there with 400 and `unauthorized_client` (RFC 6749 section 4.1.2.1).
idjag_result_t idjag_authorization_endpoint(const idjag_exchange_t *exchange,
                                            idjag_text_t **url,
                                            idjag_error_t *error);

// Our public keys, a JWK set (RFC 7517 section 5): for `jwks_uri`.
idjag_result_t idjag_jwks(const idjag_exchange_t *exchange, idjag_text_t **jwks, idjag_error_t *error);

// The metadata of a resource, JSON (RFC 9728 section 2): for the URL that idjag_challenge names.
//
// IDJAG_NOT_FOUND: no enabled connector serves it.
idjag_result_t idjag_resource_metadata(const idjag_exchange_t *exchange,
                                       const char *resource,
                                       size_t resource_length,
                                       idjag_text_t **metadata,
                                       idjag_error_t *error);

// The value of `WWW-Authenticate` for a resource (RFC 6750 section 3, RFC 9449 section 7.1, RFC 9728 section 5.1).
//
// `challenge` is one of the IDJAG_CHALLENGE_ numbers; `scope` are the scopes that are needed, separated by spaces, for
// IDJAG_CHALLENGE_INSUFFICIENT_SCOPE, otherwise NULL.
idjag_result_t idjag_challenge(const idjag_exchange_t *exchange,
                               const char *resource,
                               size_t resource_length,
                               uint32_t challenge,
                               const char *scope,
                               size_t scope_length,
                               idjag_text_t **value,
                               idjag_error_t *error);

// The nonce for `DPoP-Nonce` (RFC 9449 section 9).
//
// IDJAG_NOT_FOUND: the configuration asks for none.
idjag_result_t idjag_dpop_nonce(const idjag_exchange_t *exchange, idjag_text_t **nonce, idjag_error_t *error);

// Makes an identity provider. The configuration is one of an IdP: `subject_tokens`, `clients`, `targets`. Of `callbacks`,
// which may be NULL, clock, single use and record are asked: it fetches nothing. Starts no thread.
//
// IDJAG_LOAD_FAILED: the configuration, or a file that it names, cannot be used; `message` has file, line and key.
idjag_result_t idjag_idp_new(const idjag_config_t *config,
                             const idjag_callbacks_t *callbacks,
                             idjag_idp_t **idp,
                             idjag_error_t *error);

// Frees an identity provider that no thread uses any more. Texts and responses that it gave stay. NULL: nothing happens. In a
// child of fork it frees nothing.
void idjag_idp_free(idjag_idp_t *idp);

// What the configuration allows and still deserves a look: one warning a line, empty where there is none.
idjag_result_t idjag_idp_warnings(const idjag_idp_t *idp, idjag_text_t **warnings, idjag_error_t *error);

// Answers a request to the token endpoint of the identity provider (RFC 8693 section 2): authenticates the client, takes the
// ID token, issues an ID-JAG. As idjag_endpoint_handle.
idjag_result_t idjag_idp_handle(const idjag_idp_t *idp,
                                const idjag_http_request_t *request,
                                idjag_response_t **response,
                                idjag_error_t *error);

// The metadata of the identity provider, JSON (RFC 8414 section 2).
idjag_result_t idjag_idp_metadata(const idjag_idp_t *idp, idjag_text_t **metadata, idjag_error_t *error);

// The public keys of the identity provider, a JWK set (RFC 7517 section 5): for idjag_put_jwks, or its `jwks_uri`.
idjag_result_t idjag_idp_jwks(const idjag_idp_t *idp,
                              idjag_text_t **jwks,
                              idjag_error_t *error);

// Signs an ID token, for whoever has signed the person in, and for tests. The identity provider takes it back where its
// `subject_tokens` have its own issuer identifier with `own_keys = true`.
idjag_result_t idjag_idp_id_token(const idjag_idp_t *idp,
                                  const idjag_id_token_t *id_token,
                                  idjag_text_t **token,
                                  idjag_error_t *error);

// Replaces the keys of one IdP by a JWK set. Keys in it that cannot be used are left out; with none, nothing changes. Where they
// are fetched as well, these count as fetched now, and what is fetched later takes their place.
idjag_result_t idjag_put_jwks(const idjag_exchange_t *exchange,
                              const char *issuer,
                              size_t issuer_length,
                              const char *jwks,
                              size_t jwks_length,
                              idjag_error_t *error);

// Replaces the directory. `format` is IDJAG_DIRECTORY_JSON or IDJAG_DIRECTORY_CSV; `name` is what the text is called in
// messages.
idjag_result_t idjag_put_directory(const idjag_exchange_t *exchange,
                                   uint32_t format,
                                   const char *name,
                                   size_t name_length,
                                   const char *text,
                                   size_t text_length,
                                   idjag_error_t *error);

// Replaces the policy by a text in the form of `policy.toml`. `name` is what the text is called in messages.
idjag_result_t idjag_put_policy(const idjag_exchange_t *exchange,
                                const char *name,
                                size_t name_length,
                                const char *text,
                                size_t text_length,
                                idjag_error_t *error);

// Takes back at once: what was issued until now is void, and nothing new is issued until idjag_lift. With a record (`[audit]`)
// it is kept there, and stands again after a start.
// Engines that share the single-use store follow within a second of their clocks. IDJAG_UNAVAILABLE: it stands here, and the
// others could not be told; try again.
//
// Costs some nanoseconds for each revocation in force.
idjag_result_t idjag_revoke(const idjag_exchange_t *exchange,
                            const idjag_revocation_t *revocation,
                            idjag_error_t *error);

// Ends the block on new tokens. What was issued before stays void, and a token stays revoked.
idjag_result_t idjag_lift(const idjag_exchange_t *exchange,
                          const idjag_revocation_t *revocation,
                          idjag_error_t *error);

// Reads the counters.
idjag_result_t idjag_stats(const idjag_exchange_t *exchange, idjag_stats_t *stats, idjag_error_t *error);

// Reads how the keys that are fetched stand, sorted by owner. Where nothing is fetched the list is empty.
idjag_result_t idjag_sources(const idjag_exchange_t *exchange,
                             idjag_sources_t **sources,
                             idjag_error_t *error);

// How many there are.
size_t idjag_sources_count(const idjag_sources_t *sources);

// Reads one of them.
//
// IDJAG_NOT_FOUND: there are not so many.
idjag_result_t idjag_sources_at(const idjag_sources_t *sources,
                                size_t index,
                                idjag_source_t *source,
                                idjag_error_t *error);

// Frees the list. NULL: nothing happens.
void idjag_sources_free(idjag_sources_t *sources);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* IDJAG_H */

// What each structure begins as: its size, and nothing else.
#define IDJAG_ERROR_INIT {sizeof(idjag_error_t), NULL, NULL, 0, 0, ""}
#define IDJAG_CONFIG_INIT {sizeof(idjag_config_t), NULL, 0, NULL, 0, NULL, 0, NULL, 0}
#define IDJAG_CALLBACKS_INIT \
    {sizeof(idjag_callbacks_t), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL}
#define IDJAG_REQUEST_INIT {sizeof(idjag_request_t), NULL, 0, NULL, 0, NULL, 0, NULL, NULL, 0, NULL, 0}
#define IDJAG_PRESENTED_INIT {sizeof(idjag_presented_t), NULL, 0, NULL, 0, NULL, 0, NULL, 0, NULL, 0, NULL, 0}
#define IDJAG_HEADER_INIT {sizeof(idjag_header_t), NULL, 0, NULL, 0}
#define IDJAG_HTTP_REQUEST_INIT \
    {sizeof(idjag_http_request_t), NULL, 0, NULL, 0, NULL, 0, NULL, 0, NULL, 0, NULL, 0}
#define IDJAG_REVOCATION_INIT {sizeof(idjag_revocation_t), 0, NULL, 0, NULL, 0, NULL, 0, 0}
#define IDJAG_ID_TOKEN_INIT {sizeof(idjag_id_token_t), NULL, 0, NULL, 0, 0, 0, NULL, 0, NULL, NULL, 0}
#define IDJAG_STATS_INIT {sizeof(idjag_stats_t), 0, 0, 0, 0, 0, 0, 0, "", 0}
#define IDJAG_SOURCE_INIT {sizeof(idjag_source_t), NULL, 0, 0, NULL, 0, 0, 0, 0, 0, NULL}
