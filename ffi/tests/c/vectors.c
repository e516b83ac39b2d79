/* Runs the vector table in C: the steps that `idjag-tests` writes, each with the verdict that it names.
 *
 *     vectors STEPS WORLDS [batch]
 *
 * With `batch`, assertions go through idjag_exchange_many. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

static const char *case_name = "";
static json_t *engine_step;
static idjag_exchange_t *engine;
/* Where one stands in its place. */
static idjag_idp_t *idp;
static json_t *kept;
/* What the requests to an engine were given, by the name of the case. */
static json_t *issued;
static int batch;

#define SAME(found, wanted) \
    CHECK(strcmp(found, wanted) == 0, "%s: %s instead of %s", case_name, found, wanted)

static const char *member(json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));
    CHECK(text != NULL, "%s: no `%s`", case_name, name);
    return text;
}

/* Whether each word of `words` is among `others`. */
static int within(const char *words, const char *others) {
    char *copy = strdup(words), *rest = copy, *word;
    int all = 1;
    while ((word = strtok_r(rest, " ", &rest)) != NULL) {
        size_t length = strlen(word);
        const char *at = others;
        int found = 0;
        while ((at = strstr(at, word)) != NULL) {
            found |= (at == others || at[-1] == ' ') && (at[length] == ' ' || at[length] == 0);
            at += length;
        }
        all &= found;
    }
    free(copy);
    return all;
}

static void same_words(const char *found, const char *wanted) {
    CHECK(within(found, wanted) && within(wanted, found), "%s: %s instead of %s", case_name, found, wanted);
}

/* `slug` is the one, or one of several. */
static void one_of(const char *slug, json_t *wanted) {
    size_t index;
    json_t *one;
    CHECK(slug != NULL, "%s: no slug", case_name);
    if (json_is_string(wanted)) {
        SAME(slug, json_string_value(wanted));
        return;
    }
    json_array_foreach(wanted, index, one) {
        if (strcmp(slug, json_string_value(one)) == 0) {
            return;
        }
    }
    CHECK(0, "%s: %s is none of those", case_name, slug);
}

/* The JSON in a part of a token. */
static json_t *decoded(const char *part, size_t length) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    char *bytes = (char *)malloc(length + 1);
    size_t count = 0, at;
    unsigned bits = 0, have = 0;
    json_t *json;
    CHECK(bytes != NULL, "memory");
    for (at = 0; at < length; at++) {
        const char *letter = part[at] ? strchr(letters, part[at]) : NULL;
        CHECK(letter != NULL, "%s: no base64url", case_name);
        bits = bits << 6 | (unsigned)(letter - letters);
        have += 6;
        if (have >= 8) {
            have -= 8;
            bytes[count++] = (char)(bits >> have & 0xff);
        }
    }
    json = json_loadb(bytes, count, JSON_ALLOW_NUL, NULL);
    free(bytes);
    CHECK(json != NULL, "%s: no JSON", case_name);
    return json;
}

/* Both lists have the same texts, in any order. */
static int same_set(json_t *one, json_t *other) {
    size_t index, within_other;
    json_t *text, *same;
    if (json_array_size(one) != json_array_size(other)) {
        return 0;
    }
    json_array_foreach(one, index, text) {
        int found = 0;
        json_array_foreach(other, within_other, same) {
            found |= json_equal(text, same);
        }
        if (!found) {
            return 0;
        }
    }
    return 1;
}

static void check_claims(const char *token, json_t *wanted, int64_t now) {
    const char *dot = strchr(token, '.'), *second = strchr(dot + 1, '.'), *name;
    json_t *header = decoded(token, (size_t)(dot - token));
    json_t *claims = decoded(dot + 1, (size_t)(second - dot - 1)), *value;
    SAME(member(header, "typ"), "at+jwt");
    SAME(member(header, "alg"), member(engine_step, "alg"));
    SAME(member(header, "kid"), member(engine_step, "kid"));
    SAME(member(claims, "iss"), member(engine_step, "issuer"));
    SAME(member(claims, "aud"), member(wanted, "resource"));
    same_words(member(claims, "scope"), member(wanted, "scope"));
    CHECK(json_integer_value(json_object_get(claims, "iat")) == now, "%s", case_name);
    CHECK(json_integer_value(json_object_get(claims, "exp")) ==
              now + json_integer_value(json_object_get(engine_step, "ttl_s")), "%s", case_name);
    CHECK(*member(claims, "sub") && *member(claims, "client_id") && *member(claims, "jti") && *member(claims, "idp"),
          "%s", case_name);
    json_object_foreach(json_object_get(wanted, "claims"), name, value) {
        json_t *found = json_object_get(claims, name);
        if (json_is_null(value)) {
            CHECK(found == NULL, "%s: `%s`", case_name, name);
        } else if (strcmp(name, "scope") == 0) {
            same_words(json_string_value(found), json_string_value(value));
        } else if (strcmp(name, "groups") == 0) {
            CHECK(same_set(found, value), "%s: groups", case_name);
        } else {
            CHECK(json_equal(found, value), "%s: `%s`", case_name, name);
        }
    }
    json_decref(header);
    json_decref(claims);
}

/* A text of a step, or the token that was kept under a name. */
static void text_of(json_t *step, const char *name, const char **text, size_t *length) {
    const char *from = json_string_value(json_object_get(json_object_get(step, name), "kept"));
    if (from != NULL) {
        check_text(kept, from, text, length);
    } else {
        check_text(step, name, text, length);
    }
    CHECK(*text != NULL, "%s: no `%s`", case_name, name);
}

static void exchange(json_t *step) {
    json_t *expect = json_object_get(step, "expect"), *wanted, *resources = json_object_get(step, "resource");
    idjag_request_t request = IDJAG_REQUEST_INIT;
    idjag_error_t error = IDJAG_ERROR_INIT, overall = IDJAG_ERROR_INIT;
    idjag_result_t result;
    idjag_token_t *token = NULL;
    const char *texts[64];
    size_t lengths[64], index;
    json_t *resource;
    text_of(step, "assertion", &request.assertion, &request.assertion_length);
    check_text(step, "client_id", &request.client_id, &request.client_id_length);
    check_text(step, "scope", &request.scope, &request.scope_length);
    CHECK(json_array_size(resources) <= 64, "%s: too many", case_name);
    json_array_foreach(resources, index, resource) {
        texts[index] = json_string_value(resource);
        lengths[index] = json_string_length(resource);
    }
    request.resources = texts;
    request.resource_lengths = lengths;
    request.resource_count = json_array_size(resources);
    if (batch) {
        CHECK(idjag_exchange_many(engine, &request, 1, 0, &result, &token, &error, &overall) == IDJAG_OK, "%s: %s",
              case_name, overall.message);
    } else {
        result = idjag_exchange(engine, &request, &token, &error);
    }
    if ((wanted = json_object_get(expect, "granted")) != NULL) {
        const char *text = idjag_token_access_token(token, NULL), *keep;
        CHECK(result == IDJAG_OK, "%s: %s", case_name, error.slug);
        same_words(idjag_token_scope(token, NULL), member(wanted, "scope"));
        SAME(idjag_token_resource(token, NULL), member(wanted, "resource"));
        SAME(idjag_token_token_type(token, NULL), "Bearer");
        check_claims(text, wanted, check_now);
        CHECK(idjag_token_expires_in(token) == json_integer_value(json_object_get(engine_step, "ttl_s")), "%s",
              case_name);
        if ((keep = json_string_value(json_object_get(step, "keep"))) != NULL) {
            json_object_set_new(kept, keep, json_string(text));
        }
    } else {
        wanted = json_object_get(expect, "refused");
        CHECK(token == NULL && result != IDJAG_OK, "%s: granted", case_name);
        one_of(error.slug, json_object_get(wanted, "slug"));
        SAME(error.oauth_error, member(wanted, "error"));
        CHECK(error.http_status == json_integer_value(json_object_get(wanted, "status")), "%s", case_name);
        CHECK(result == (error.http_status == 503 ? IDJAG_UNAVAILABLE : IDJAG_REFUSED), "%s", case_name);
        CHECK((error.http_status == 503) == (error.retry_after_s > 0), "%s", case_name);
        CHECK(error.message[0] != 0, "%s", case_name);
    }
    idjag_token_free(token);
}

static void verify(json_t *step) {
    json_t *expect = json_object_get(step, "expect"), *wanted, *value;
    idjag_presented_t presented = IDJAG_PRESENTED_INIT;
    idjag_error_t error = IDJAG_ERROR_INIT;
    idjag_verified_t *who = NULL;
    idjag_result_t result;
    size_t index;
    text_of(step, "token", &presented.token, &presented.token_length);
    check_text(step, "resource", &presented.resource, &presented.resource_length);
    check_text(step, "dpop", &presented.dpop, &presented.dpop_length);
    check_text(step, "method", &presented.method, &presented.method_length);
    check_text(step, "url", &presented.url, &presented.url_length);
    check_text(step, "certificate", (const char **)&presented.client_certificate, &presented.client_certificate_length);
    result = idjag_verify(engine, &presented, &who, &error);
    if ((wanted = json_object_get(expect, "valid")) != NULL) {
        const char *tenant = json_string_value(json_object_get(wanted, "tenant"));
        json_t *groups = json_array(), *claims, *act = json_object_get(wanted, "act");
        CHECK(result == IDJAG_OK, "%s: %s", case_name, error.slug);
        SAME(idjag_verified_subject(who, NULL), member(wanted, "sub"));
        SAME(idjag_verified_client_id(who, NULL), member(wanted, "client_id"));
        SAME(idjag_verified_idp(who, NULL), member(wanted, "idp"));
        SAME(idjag_verified_resource(who, NULL), member(wanted, "resource"));
        same_words(idjag_verified_scope(who, NULL), member(wanted, "scope"));
        CHECK((tenant == NULL) == (idjag_verified_tenant(who, NULL) == NULL), "%s: tenant", case_name);
        if (tenant != NULL) {
            SAME(idjag_verified_tenant(who, NULL), tenant);
        }
        for (index = 0; index < idjag_verified_group_count(who); index++) {
            json_array_append_new(groups, json_string(idjag_verified_group(who, index, NULL)));
        }
        CHECK(idjag_verified_group(who, index, NULL) == NULL, "%s", case_name);
        CHECK(same_set(groups, json_object_get(wanted, "groups")), "%s: groups", case_name);
        CHECK((idjag_verified_act(who, NULL) == NULL) == (act == NULL || json_is_null(act)), "%s: act", case_name);
        if (idjag_verified_act(who, NULL) != NULL) {
            value = json_loads(idjag_verified_act(who, NULL), 0, NULL);
            CHECK(json_equal(value, act), "%s: act", case_name);
            json_decref(value);
        }
        CHECK((idjag_verified_cnf(who, NULL) == NULL) == !json_is_object(json_object_get(wanted, "cnf")), "%s: cnf", case_name);
        if (idjag_verified_cnf(who, NULL) != NULL) {
            value = json_loads(idjag_verified_cnf(who, NULL), 0, NULL);
            CHECK(json_equal(value, json_object_get(wanted, "cnf")), "%s: cnf", case_name);
            json_decref(value);
        }
        if (json_is_string(json_object_get(wanted, "token_type"))) {
            SAME(idjag_verified_token_type(who, NULL), member(wanted, "token_type"));
        }
        claims = json_loads(idjag_verified_claims(who, NULL), JSON_ALLOW_NUL, NULL);
        SAME(member(claims, "jti"), idjag_verified_jti(who, NULL));
        CHECK(json_integer_value(json_object_get(claims, "exp")) == idjag_verified_expires_at(who), "%s", case_name);
        CHECK(json_integer_value(json_object_get(claims, "iat")) == idjag_verified_issued_at(who), "%s", case_name);
        json_decref(claims);
        json_decref(groups);
    } else {
        CHECK(who == NULL && result == IDJAG_REFUSED, "%s: valid", case_name);
        one_of(error.slug, json_object_get(expect, "invalid"));
        SAME(error.oauth_error, strncmp(error.slug, "dpop_", 5) == 0 ? "invalid_dpop_proof" : "invalid_token");
        CHECK(error.http_status == 401, "%s: %d", case_name, error.http_status);
    }
    idjag_verified_free(who);
}

/* The bytes of a text in hexadecimal, or NULL; to be freed. */
static char *unhex(json_t *step, const char *name, size_t *length) {
    const char *text = json_string_value(json_object_get(step, name));
    size_t at;
    char *bytes;
    if (text == NULL) {
        return NULL;
    }
    *length = strlen(text) / 2;
    bytes = (char *)malloc(*length + 1);
    CHECK(bytes != NULL, "memory");
    for (at = 0; at < *length; at++) {
        unsigned byte;
        CHECK(sscanf(text + 2 * at, "%2x", &byte) == 1, "%s: `%s`", case_name, name);
        bytes[at] = (char)byte;
    }
    return bytes;
}

/* A token that came back: what it says of what it is bound to, and whether it is good without that. */
static void check_issued(json_t *body, json_t *token) {
    idjag_presented_t presented = IDJAG_PRESENTED_INIT;
    idjag_verified_t *who = NULL;
    idjag_error_t error = IDJAG_ERROR_INIT;
    json_t *cnf = json_object_get(token, "cnf"), *details = json_object_get(token, "authorization_details"), *claims;
    const char *dot, *second;
    idjag_result_t result;
    int has_details = details != NULL && !json_is_null(details);
    CHECK(json_object_size(body) == (has_details ? 6u : 5u), "%s", case_name);
    same_words(member(body, "scope"), member(token, "scope"));
    SAME(member(body, "resource"), member(token, "resource"));
    SAME(member(body, "token_type"), member(token, "token_type"));
    if (has_details) {
        CHECK(json_equal(json_object_get(body, "authorization_details"), details), "%s: details", case_name);
    }
    check_text(body, "access_token", &presented.token, &presented.token_length);
    check_text(body, "resource", &presented.resource, &presented.resource_length);
    dot = strchr(presented.token, '.');
    second = strchr(dot + 1, '.');
    claims = decoded(dot + 1, (size_t)(second - dot - 1));
    result = idjag_verify(engine, &presented, &who, &error);
    if (cnf == NULL || json_is_null(cnf)) {
        CHECK(result == IDJAG_OK, "%s: %s", case_name, error.message);
        CHECK(json_object_get(claims, "cnf") == NULL && idjag_verified_cnf(who, NULL) == NULL, "%s: cnf", case_name);
        SAME(idjag_verified_token_type(who, NULL), "Bearer");
    } else {
        CHECK(json_equal(json_object_get(claims, "cnf"), cnf), "%s: cnf", case_name);
        CHECK(result == IDJAG_REFUSED && error.http_status == 401, "%s: good without its proof", case_name);
    }
    json_decref(claims);
    idjag_verified_free(who);
}

/* The endpoint that a step is for. */
typedef idjag_result_t handler(const idjag_exchange_t *, const idjag_http_request_t *, idjag_response_t **, idjag_error_t *);

static handler *endpoint_of(json_t *step) {
    const char *name = member(step, "endpoint");
    if (strcmp(name, "revoke") == 0) {
        return idjag_endpoint_revoke;
    }
    if (strcmp(name, "introspect") == 0) {
        return idjag_endpoint_introspect;
    }
    SAME(name, "token");
    return idjag_endpoint_handle;
}

/* The body of a step, with the token that it is about at its end; to be freed. */
static char *body_of(json_t *step, size_t *length) {
    json_t *about = json_object_get(step, "token_of"), *body = json_object_get(step, "body");
    const char *token = json_is_string(about) ? member(issued, json_string_value(about)) : "";
    char *whole = (char *)malloc(json_string_length(body) + strlen(token) + 1);
    CHECK(whole != NULL, "memory");
    *length = json_string_length(body) + strlen(token);
    memcpy(whole, json_string_value(body), json_string_length(body));
    memcpy(whole + json_string_length(body), token, strlen(token) + 1);
    return whole;
}

/* Sends the request of a step, checks status, headers and slug of the answer, and gives its body; NULL: it is empty. */
static json_t *asked(json_t *step) {
    json_t *expect = json_object_get(step, "expect"), *headers = json_object_get(step, "headers"), *pair, *value, *body;
    idjag_http_request_t request = IDJAG_HTTP_REQUEST_INIT;
    idjag_header_t none = IDJAG_HEADER_INIT, *sent = (idjag_header_t *)calloc(json_array_size(headers) + 1, sizeof none);
    idjag_error_t error = IDJAG_ERROR_INIT;
    idjag_response_t *response = NULL;
    const char *name, *content, *slug;
    char *certificate, *whole;
    size_t index, length;
    CHECK(sent != NULL, "memory");
    case_name = member(step, "name");
    check_text(step, "method", &request.method, &request.method_length);
    check_text(step, "target", &request.target, &request.target_length);
    whole = body_of(step, &request.body_length);
    request.body = whole;
    check_text(step, "peer", &request.peer, &request.peer_length);
    certificate = unhex(step, "certificate", &request.client_certificate_length);
    request.client_certificate = certificate;
    json_array_foreach(headers, index, pair) {
        sent[index] = none;
        sent[index].name = json_string_value(json_array_get(pair, 0));
        sent[index].name_length = json_string_length(json_array_get(pair, 0));
        sent[index].value = json_string_value(json_array_get(pair, 1));
        sent[index].value_length = json_string_length(json_array_get(pair, 1));
    }
    request.headers = sent;
    request.header_count = json_array_size(headers);
    CHECK((idp != NULL ? idjag_idp_handle(idp, &request, &response, &error)
                       : endpoint_of(step)(engine, &request, &response, &error)) == IDJAG_OK,
          "%s: %s", case_name, error.message);
    CHECK(idjag_response_status(response) == json_integer_value(json_object_get(expect, "status")), "%s: %d", case_name,
          idjag_response_status(response));
    slug = json_string_value(json_object_get(expect, "slug"));
    CHECK((slug == NULL) == (idjag_response_slug(response) == NULL), "%s: slug", case_name);
    if (slug != NULL) {
        SAME(idjag_response_slug(response), slug);
    }
    json_object_foreach(json_object_get(expect, "headers"), name, value) {
        int times = 0;
        for (index = 0; index < idjag_response_header_count(response); index++) {
            if (strcmp(idjag_response_header_at(response, index, &content), name) == 0) {
                SAME(content, json_string_value(value));
                times++;
            }
        }
        CHECK(times == 1, "%s: %s", case_name, name);
        SAME(idjag_response_header(response, name, strlen(name)), json_string_value(value));
    }
    CHECK(idjag_response_header_at(response, index, &content) == NULL || index < idjag_response_header_count(response),
          "%s", case_name);
    json_array_foreach(json_object_get(expect, "absent"), index, value) {
        CHECK(idjag_response_header(response, json_string_value(value), json_string_length(value)) == NULL, "%s",
              case_name);
    }
    json_array_foreach(json_object_get(expect, "present"), index, value) {
        CHECK(idjag_response_header(response, json_string_value(value), json_string_length(value)) != NULL, "%s",
              case_name);
    }
    content = idjag_response_body(response, &length);
    body = length == 0 ? NULL : json_loadb(content, length, 0, NULL);
    CHECK(length == 0 || json_is_object(body), "%s: %s", case_name, content);
    if (slug != NULL) {
        CHECK(json_object_size(body) == 2, "%s", case_name);
        SAME(member(body, "error"), member(expect, "error"));
        CHECK(strstr(content, slug) == NULL || strcmp(slug, member(expect, "error")) == 0, "%s: tells", case_name);
    }
    idjag_response_free(response);
    free(certificate);
    free(whole);
    free(sent);
    return body;
}

static void send_request(json_t *step) {
    json_t *expect = json_object_get(step, "expect"), *body = asked(step), *token = json_object_get(expect, "token");
    json_t *answer = json_object_get(expect, "answer");
    if (json_is_object(answer)) {
        /* Of a revocation nothing is told; of a token everything, and its own name besides. */
        CHECK((body == NULL) == (json_object_size(answer) == 0), "%s: the answer", case_name);
        if (body != NULL) {
            int named = json_is_string(json_object_get(body, "jti"));
            CHECK(named == json_is_true(json_object_get(body, "active")), "%s: jti", case_name);
            json_object_del(body, "jti");
            CHECK(json_equal(body, answer), "%s: the answer", case_name);
        }
        json_decref(body);
        return;
    }
    CHECK(json_is_object(token) == (json_object_get(body, "error") == NULL), "%s: granted or not", case_name);
    CHECK(json_equal(check_asked, json_object_get(expect, "fetched")), "%s: what was fetched", case_name);
    json_array_clear(check_asked);
    if (json_is_object(token)) {
        check_issued(body, token);
        json_object_set(issued, case_name, json_object_get(body, "access_token"));
    }
    json_decref(body);
}

/* What the identity provider issued: every claim, and what our own server makes of it. */
static void check_id_jag(json_t *body, json_t *wanted, json_t *token, const char *requests) {
    const char *id_jag = member(body, "access_token"), *dot = strchr(id_jag, '.'), *second = strchr(dot + 1, '.');
    json_t *header = decoded(id_jag, (size_t)(dot - id_jag)), *claims = decoded(dot + 1, (size_t)(second - dot - 1));
    SAME(member(header, "typ"), "oauth-id-jag+jwt");
    SAME(member(body, "issued_token_type"), "urn:ietf:params:oauth:token-type:id-jag");
    SAME(member(body, "token_type"), "N_A");
    SAME(member(body, "scope"), member(claims, "scope"));
    CHECK(json_integer_value(json_object_get(body, "expires_in")) == 300, "%s", case_name);
    CHECK(*member(claims, "jti") && json_object_del(claims, "jti") == 0, "%s: jti", case_name);
    CHECK(json_equal(claims, wanted), "%s: claims", case_name);
    if (json_is_object(token)) {
        idjag_exchange_t *server = check_engine(requests, check_now);
        idjag_request_t request = IDJAG_REQUEST_INIT;
        idjag_presented_t presented = IDJAG_PRESENTED_INIT;
        idjag_error_t error = IDJAG_ERROR_INIT;
        idjag_token_t *issued = NULL;
        idjag_verified_t *who = NULL;
        request.assertion = id_jag;
        request.assertion_length = strlen(id_jag);
        check_text(claims, "client_id", &request.client_id, &request.client_id_length);
        CHECK(idjag_exchange(server, &request, &issued, &error) == IDJAG_OK, "%s: %s", case_name, error.slug);
        same_words(idjag_token_scope(issued, NULL), member(token, "scope"));
        presented.token = idjag_token_access_token(issued, &presented.token_length);
        check_text(token, "resource", &presented.resource, &presented.resource_length);
        CHECK(idjag_verify(server, &presented, &who, &error) == IDJAG_OK, "%s: %s", case_name, error.slug);
        SAME(idjag_verified_subject(who, NULL), member(claims, "sub"));
        SAME(idjag_verified_idp(who, NULL), member(claims, "iss"));
        idjag_verified_free(who);
        idjag_token_free(issued);
        idjag_exchange_free(server);
    }
    json_decref(header);
    json_decref(claims);
}

static void issue(json_t *step, const char *requests) {
    json_t *expect = json_object_get(step, "expect"), *body = asked(step), *wanted = json_object_get(expect, "id_jag");
    CHECK(json_is_object(wanted) == (json_object_get(body, "error") == NULL), "%s: issued or not", case_name);
    if (json_is_object(wanted)) {
        check_id_jag(body, wanted, json_object_get(expect, "token"), requests);
    }
    json_decref(body);
}

int main(int count, char **arguments) {
    char *line = NULL, path[4096], requests[4096];
    size_t room = 0, cases = 0, steps_run = 0;
    json_t *step;
    FILE *steps;
    CHECK(count >= 3, "vectors STEPS WORLDS [batch]");
    batch = count > 3;
    steps = fopen(arguments[1], "rb");
    CHECK(steps != NULL, "%s", arguments[1]);
    CHECK(snprintf(requests, sizeof requests, "%s/requests.json", arguments[2]) < (int)sizeof requests, "long");
    kept = json_object();
    issued = json_object();
    check_asked = json_array();
    while ((step = check_step(steps, &line, &room)) != NULL) {
        const char *what = json_string_value(json_object_get(step, "do"));
        int64_t now = json_integer_value(json_object_get(step, "now"));
        if (strcmp(what, "engine") == 0 || strcmp(what, "idp") == 0) {
            const char *folder = *what == 'i' ? "/../idp/worlds" : "";
            idjag_exchange_free(engine);
            engine = NULL;
            idjag_idp_free(idp);
            idp = NULL;
            json_decref(engine_step);
            engine_step = json_incref(step);
            check_documents = json_object_get(step, "documents");
            case_name = member(step, "case");
            CHECK(snprintf(path, sizeof path, "%s%s/%s.json", arguments[2], folder, member(step, "world")) <
                      (int)sizeof path, "long");
            if (*what == 'i') {
                idp = check_idp(path, now);
            } else {
                engine = check_engine(path, now);
            }
            json_object_clear(issued);
            cases++;
        } else {
            check_now = now;
            if (strcmp(what, "exchange") == 0) {
                exchange(step);
            } else if (strcmp(what, "verify") == 0) {
                verify(step);
            } else if (strcmp(what, "send") == 0) {
                send_request(step);
            } else {
                CHECK(strcmp(what, "issue") == 0, "%s is nothing to do", what);
                issue(step, requests);
            }
            steps_run++;
        }
        json_decref(step);
    }
    CHECK(cases > 1750 && steps_run >= cases, "%zu engines, %zu steps: the reader of this test is blind", cases, steps_run);
    printf("vectors: %zu engines, %zu steps%s\n", cases, steps_run, batch ? ", in batches" : "");
    idjag_exchange_free(engine);
    idjag_idp_free(idp);
    json_decref(engine_step);
    json_decref(kept);
    json_decref(issued);
    json_decref(check_asked);
    free(line);
    fclose(steps);
    return 0;
}
