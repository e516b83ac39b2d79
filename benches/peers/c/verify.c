/* idjag through its C interface beside Debian's libjwt and cjose: the same tokens, in turns, in one run.
 *
 *     verify FOLDER ALGORITHM
 *
 * FOLDER is what `benches/peers/c/run` records; ALGORITHM is what idjag signs its access tokens with, RS256 or ES256. Each
 * does with a token what its users do: signature, `alg`, `iss`, `aud`, `exp`; keys are parsed once where the library has a
 * way to. Before anything is measured, each takes the good token and refuses a forged one.
 *
 * libjwt 1 takes no `typ` but JWT. So it gets the same claims under that, signed anew by the same key; what it takes there is
 * refused by idjag. cjose takes both, and has both: so one sees that the `typ` makes no difference in time. */
#define _POSIX_C_SOURCE 200809L
#include <cjose/cjose.h>
#include <idjag.h>
#include <jansson.h>
#include <jwt.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BLOCK = 20, MOST = 5000, CONTENDERS = 4 };

static _Noreturn void fail(const char *what, const char *why) {
    fprintf(stderr, "verify: %s: %s\n", what, why != NULL ? why : "");
    exit(1);
}

struct token {
    char *text;
    /* The same claims under the `typ` JWT. */
    char *typ_jwt;
    const char *client_id, *audience;
};

static struct token tokens[MOST];
static size_t count;

/* Whose tokens they are. */
static const char *algorithm, *issuer;
static cjose_jwk_t *key;
static char *pem;

static idjag_exchange_t *exchange;

static void open_engine(const char *path) {
    idjag_config_t config = IDJAG_CONFIG_INIT;
    idjag_error_t error = IDJAG_ERROR_INIT;
    idjag_exchange_free(exchange);
    config.file = path;
    config.file_length = strlen(path);
    if (idjag_exchange_new(&config, NULL, &exchange, &error) != IDJAG_OK) {
        fail(path, error.message);
    }
}

static idjag_token_t *idjag_exchanges(const struct token *token, idjag_error_t *error) {
    idjag_request_t request = IDJAG_REQUEST_INIT;
    idjag_token_t *issued = NULL;
    request.assertion = token->text;
    request.assertion_length = strlen(token->text);
    request.client_id = token->client_id;
    request.client_id_length = strlen(token->client_id);
    idjag_exchange(exchange, &request, &issued, error);
    return issued;
}

static int idjag_finds_replayed(const struct token *token) {
    idjag_error_t error = IDJAG_ERROR_INIT;
    return idjag_exchanges(token, &error) == NULL && strcmp(error.slug, "replayed") == 0;
}

static int idjag_verifies(const struct token *token) {
    idjag_presented_t presented = IDJAG_PRESENTED_INIT;
    idjag_verified_t *who = NULL;
    int good;
    presented.token = token->text;
    presented.token_length = strlen(token->text);
    presented.resource = token->audience;
    presented.resource_length = strlen(token->audience);
    good = idjag_verify(exchange, &presented, &who, NULL) == IDJAG_OK && idjag_verified_subject(who, NULL) != NULL;
    idjag_verified_free(who);
    return good;
}

static int is(const char *text, const char *wanted) {
    return text != NULL && strcmp(text, wanted) == 0;
}

/* libjwt 1 has one way: the key as PEM, with each token. */
static int libjwt_verifies(const struct token *token) {
    jwt_t *jwt = NULL;
    int good = 0;
    if (jwt_decode(&jwt, token->typ_jwt, (const unsigned char *)pem, (int)strlen(pem)) == 0) {
        good = is(jwt_alg_str(jwt_get_alg(jwt)), algorithm) && is(jwt_get_grant(jwt, "iss"), issuer) &&
               is(jwt_get_grant(jwt, "aud"), token->audience) && jwt_get_grant_int(jwt, "exp") > time(NULL) &&
               jwt_get_grant(jwt, "sub") != NULL;
        jwt_free(jwt);
    }
    return good;
}

static int cjose_takes(const char *text, const char *audience) {
    cjose_jws_t *jws = cjose_jws_import(text, strlen(text), NULL);
    uint8_t *plain = NULL;
    size_t length = 0;
    int good = 0;
    if (jws != NULL && is(cjose_header_get(cjose_jws_get_protected(jws), CJOSE_HDR_ALG, NULL), algorithm) &&
        cjose_jws_verify(jws, key, NULL) && cjose_jws_get_plaintext(jws, &plain, &length, NULL)) {
        json_t *claims = json_loadb((const char *)plain, length, 0, NULL);
        good = is(json_string_value(json_object_get(claims, "iss")), issuer) &&
               is(json_string_value(json_object_get(claims, "aud")), audience) &&
               json_integer_value(json_object_get(claims, "exp")) > time(NULL) &&
               json_string_value(json_object_get(claims, "sub")) != NULL;
        json_decref(claims);
    }
    cjose_jws_release(jws);
    return good;
}

static int cjose_verifies(const struct token *token) {
    return cjose_takes(token->text, token->audience);
}

static int cjose_verifies_typ_jwt(const struct token *token) {
    return cjose_takes(token->typ_jwt, token->audience);
}

/* The same claims under the `typ` JWT, signed with `own`. */
static char *signed_anew(const char *text, const cjose_jwk_t *own) {
    cjose_jws_t *jws = cjose_jws_import(text, strlen(text), NULL), *other;
    cjose_header_t *header = cjose_header_new(NULL);
    uint8_t *plain = NULL;
    size_t length = 0;
    const char *compact = NULL;
    char *copy;
    if (!cjose_jws_get_plaintext(jws, &plain, &length, NULL) ||
        !cjose_header_set(header, CJOSE_HDR_ALG, algorithm, NULL) || !cjose_header_set(header, "typ", "JWT", NULL) ||
        !cjose_header_set(header, CJOSE_HDR_KID, cjose_jwk_get_kid(own, NULL), NULL) ||
        (other = cjose_jws_sign(own, header, plain, length, NULL)) == NULL || !cjose_jws_export(other, &compact, NULL)) {
        fail("cannot sign", text);
    }
    copy = strdup(compact);
    cjose_jws_release(other);
    cjose_jws_release(jws);
    cjose_header_release(header);
    return copy;
}

static size_t octets(const json_t *jwk, const char *member, uint8_t *bytes, size_t room) {
    const char *text = json_string_value(json_object_get(jwk, member));
    uint8_t *decoded = NULL;
    size_t length = 0;
    if (text == NULL || !cjose_base64url_decode(text, strlen(text), &decoded, &length, NULL) || length > room) {
        fail("a member of the JWK", member);
    }
    memcpy(bytes, decoded, length);
    free(decoded);
    return length;
}

/* The public half of a JWK as PEM, as libjwt wants it. */
static char *pem_of(const json_t *jwk) {
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    OSSL_PARAM *parameters;
    EVP_PKEY_CTX *context = NULL;
    EVP_PKEY *public_key = NULL;
    BIGNUM *n = NULL, *e = NULL;
    BIO *out = BIO_new(BIO_s_mem());
    uint8_t bytes[1024];
    char *text = NULL, *copy;
    long length;
    if (is(json_string_value(json_object_get(jwk, "kty")), "RSA")) {
        n = BN_bin2bn(bytes, (int)octets(jwk, "n", bytes, sizeof bytes), NULL);
        e = BN_bin2bn(bytes, (int)octets(jwk, "e", bytes, sizeof bytes), NULL);
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n);
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e);
        context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    } else {
        size_t x, y;
        bytes[0] = 4; /* an uncompressed point */
        x = octets(jwk, "x", bytes + 1, 32);
        y = octets(jwk, "y", bytes + 1 + x, 32);
        OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0);
        OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, bytes, 1 + x + y);
        context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    }
    parameters = OSSL_PARAM_BLD_to_param(builder);
    if (EVP_PKEY_fromdata_init(context) != 1 ||
        EVP_PKEY_fromdata(context, &public_key, EVP_PKEY_PUBLIC_KEY, parameters) != 1 ||
        PEM_write_bio_PUBKEY(out, public_key) != 1) {
        fail("the public key", "OpenSSL does not take it");
    }
    length = BIO_get_mem_data(out, &text);
    copy = strndup(text, (size_t)length);
    OSSL_PARAM_free(parameters);
    OSSL_PARAM_BLD_free(builder);
    EVP_PKEY_CTX_free(context);
    EVP_PKEY_free(public_key);
    BN_free(n);
    BN_free(e);
    BIO_free(out);
    return copy;
}

static json_t *json_of(const char *folder, const char *file) {
    char path[4096];
    json_t *json;
    snprintf(path, sizeof path, "%s/%s", folder, file);
    if ((json = json_load_file(path, 0, NULL)) == NULL) {
        fail(path, "no JSON");
    }
    return json;
}

static cjose_jwk_t *jwk_of(const json_t *jwk) {
    char *text = json_dumps(jwk, 0);
    cjose_jwk_t *made = cjose_jwk_import(text, strlen(text), NULL);
    if (made == NULL) {
        fail("cjose", "does not take the key");
    }
    free(text);
    return made;
}

static double now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int by_size(const void *one, const void *other) {
    double a = *(const double *)one, b = *(const double *)other;
    return (a > b) - (a < b);
}

static double median(double *values, size_t length) {
    qsort(values, length, sizeof *values, by_size);
    return values[length / 2];
}

/* One who takes part. The first is idjag, beside whom the others stand. */
struct contender {
    const char *name;
    int (*work)(const struct token *);
};

/* A good token is taken, one with another signature is not. */
static void examine(const struct contender *contender) {
    struct token forged = tokens[0];
    char *parts[2] = {strdup(tokens[0].text), tokens[0].typ_jwt != NULL ? strdup(tokens[0].typ_jwt) : NULL};
    size_t part;
    for (part = 0; part < 2; part++) {
        if (parts[part] != NULL) {
            char *signature = strrchr(parts[part], '.') + 10;
            *signature = *signature == 'A' ? 'B' : 'A';
        }
    }
    forged.text = parts[0];
    forged.typ_jwt = parts[1];
    if (contender->work(&forged)) {
        fail("a forged token is taken", contender->name);
    }
    free(parts[0]);
    free(parts[1]);
}

/* Block by block, each goes first in turn; ratios are taken within a turn. */
static void contest(const char *title, const struct contender *contenders, size_t contending) {
    static double times[CONTENDERS][MOST / BLOCK], ratios[CONTENDERS][MOST / BLOCK];
    size_t turns = count / BLOCK, turn, at, item;
    for (at = 0; at < contending; at++) {
        examine(&contenders[at]);
    }
    for (turn = 0; turn < turns; turn++) {
        for (at = 0; at < contending; at++) {
            size_t who = (turn + at) % contending;
            double start = now_us();
            for (item = turn * BLOCK; item < (turn + 1) * BLOCK; item++) {
                if (!contenders[who].work(&tokens[item])) {
                    fail(title, contenders[who].name);
                }
            }
            times[who][turn] = (now_us() - start) / BLOCK;
        }
        for (at = 0; at < contending; at++) {
            ratios[at][turn] = times[at][turn] / times[0][turn];
        }
    }
    printf("\n%s, %s, %zu bytes, medians of %zu blocks of %d that take turns\n", title, algorithm, strlen(tokens[0].text),
           turns, (int)BLOCK);
    printf("  %-52s %9.2f us\n", contenders[0].name, median(times[0], turns));
    for (at = 1; at < contending; at++) {
        printf("  %-52s %9.2f us %8.2f times idjag   > 1\n", contenders[at].name, median(times[at], turns),
               median(ratios[at], turns));
    }
}

/* Reads the ID-JAGs of the first IdP, whose key cjose has. */
static void read_assertions(const char *folder) {
    char path[4096], *line = NULL;
    size_t room = 0;
    FILE *requests;
    snprintf(path, sizeof path, "%s/requests.jsonl", folder);
    if ((requests = fopen(path, "r")) == NULL) {
        fail(path, "cannot be read");
    }
    while (count < MOST && getline(&line, &room, requests) >= 0) {
        json_t *request = json_loads(line, 0, NULL);
        struct token token = {NULL, NULL, NULL, "https://auth.acme.example/"};
        token.text = strdup(json_string_value(json_object_get(request, "assertion")));
        token.client_id = strdup(json_string_value(json_object_get(request, "client_id")));
        if (cjose_verifies(&token)) {
            tokens[count++] = token;
        }
        json_decref(request);
    }
    free(line);
    fclose(requests);
}

int main(int arguments, char **argument) {
    static const struct contender of_assertions[] = {
        {"idjag_exchange, until it is refused as replayed", idjag_finds_replayed},
        {"cjose (libjwt takes no such typ)", cjose_verifies},
    };
    static const struct contender of_tokens[] = {
        {"idjag_verify, first time", idjag_verifies},
        {"libjwt, the same claims as typ JWT", libjwt_verifies},
        {"cjose", cjose_verifies},
        {"cjose, the same claims as typ JWT", cjose_verifies_typ_jwt},
    };
    const char *folder;
    char path[4096];
    json_t *jwk;
    cjose_jwk_t *own;
    jwt_t *jwt = NULL;
    struct token *issued;
    size_t at;
    if (arguments != 3) {
        fail("usage", "verify FOLDER ALGORITHM");
    }
    folder = argument[1];

    algorithm = "RS256";
    issuer = "https://acme.okta.example";
    jwk = json_array_get(json_object_get(json_of(folder, "keys/acme.jwks.json"), "keys"), 0);
    key = jwk_of(jwk);
    pem = pem_of(jwk);
    read_assertions(folder);
    snprintf(path, sizeof path, "%s/%s.toml", folder, argument[2]);
    open_engine(path);
    if (jwt_decode(&jwt, tokens[0].text, (const unsigned char *)pem, (int)strlen(pem)) == 0) {
        fail("libjwt", "takes an ID-JAG: let it take part");
    }

    /* Every assertion is spent, and what comes out is kept. */
    issued = calloc(count, sizeof *issued);
    for (at = 0; at < count; at++) {
        idjag_error_t error = IDJAG_ERROR_INIT;
        idjag_token_t *token = idjag_exchanges(&tokens[at], &error);
        if (token == NULL) {
            fail("a good assertion is refused", error.slug);
        }
        issued[at] = tokens[at];
        issued[at].text = strdup(idjag_token_access_token(token, NULL));
        issued[at].audience = strdup(idjag_token_resource(token, NULL));
        idjag_token_free(token);
    }
    /* They are the same whatever idjag signs with. */
    if (strcmp(argument[2], "RS256") == 0) {
        contest("verification of an assertion", of_assertions, 2);
    }

    algorithm = argument[2];
    issuer = "https://auth.acme.example/";
    snprintf(path, sizeof path, "keys/%s.jwk", algorithm);
    jwk = json_of(folder, path);
    cjose_jwk_release(key);
    key = own = jwk_of(jwk);
    free(pem);
    pem = pem_of(jwk);
    for (at = 0; at < count; at++) {
        tokens[at] = issued[at];
        tokens[at].typ_jwt = signed_anew(issued[at].text, own);
    }
    if (jwt_decode(&jwt, tokens[0].text, (const unsigned char *)pem, (int)strlen(pem)) == 0) {
        fail("libjwt", "takes the typ at+jwt: give it the same tokens");
    }
    /* An engine that ran before this one had the memory that tokens are remembered in; and none of them is known to it. */
    for (at = 0; at < count; at++) {
        idjag_verifies(&tokens[at]);
    }
    snprintf(path, sizeof path, "%s/%s.toml", folder, algorithm);
    open_engine(path);
    contest("verification of an access token", of_tokens, 4);
    idjag_exchange_free(exchange);
    return 0;
}
