// SPDX-License-Identifier: Apache-2.0
/*
 * Event records: what is written comes back, what does not fit is told, and
 * no bytes of a stranger are believed.
 */
#include "tap.h"

#include "base/addr.h"
#include "base/json.h"
#include "event/batch.h"
#include "event/frame.h"

#define NOW INT64_C(1795460400123456789)

static unsigned char mem[CD_EVENT_MAX];

static struct cd_event decoded(size_t len)
{
	struct cd_event event = {.event_class = 0};
	struct cd_str rest;

	ok_eq_int(cd_event_decode(cd_str_make(mem, len), &event, &rest), 0);
	ok_eq_uint(rest.len, 0);
	return event;
}

static const char *text_of(const struct cd_event *event, const char *field)
{
	static char text[8][CD_EVENT_TEXT_MAX + 1];
	static unsigned n;
	char *out = text[n++ % 8];
	unsigned int id = cd_event_field_find(cd_str_from(field));
	bool has;

	if (!id)
		return "no such field";
	cd_event_text(event, id, out, sizeof(text[0]), &has);
	return has ? out : NULL;
}

static char *json_of(const struct cd_event *event, const char *node)
{
	struct cd_buf b;

	cd_buf_init(&b, 1 << 20);
	cd_event_json(event, cd_str_from(node), &b);
	return cd_buf_take(&b);
}

static bool is_json(const char *text)
{
	struct cd_json j;
	enum cd_json_event e;

	cd_json_init(&j, cd_str_from(text));
	do
		e = cd_json_next(&j);
	while (e != CD_JSON_END && e != CD_JSON_ERROR);
	return e == CD_JSON_END;
}

TEST(tables_are_dense_and_named_once)
{
	for (size_t i = 0; cd_event_class_at(i); i++) {
		ok_eq_uint(cd_event_class_at(i)->number, i + 1);
		ok_true(cd_event_class_at(i)->doc[0]);
	}
	for (size_t i = 0; cd_event_field_at(i); i++) {
		const struct cd_event_field_row *f = cd_event_field_at(i);

		ok_eq_uint(f->number, i + 1);
		ok_eq_uint(cd_event_field_find(cd_str_from(f->name)), i + 1);
	}
	ok_true(!cd_event_class_get(0) && !cd_event_field_get(0));
	ok_true(!cd_event_class_get(9999) && !cd_event_field_get(9999));
	ok_eq_uint(cd_event_field_find(CD_STR("in.mfa.age")),
		   CD_EVENT_INPUT_BASE + CD_ATTR_MFA_AGE);
	ok_eq_uint(cd_event_field_find(CD_STR("in.nothing")), 0);
	ok_eq_uint(cd_event_field_find(CD_STR("cookie")), 0);
}

TEST(fields_come_back)
{
	static const unsigned char trace[4] = {0xde, 0xad, 0xbe, 0xef};
	struct cd_name groups[2] = {cd_name_make(CD_STR("finance")),
				    cd_name_make(CD_STR("all"))};
	struct cd_event_encoder e;
	struct cd_event event;
	struct cd_addr addr;
	char *json;

	cd_addr_parse(CD_STR("203.0.113.5"), &addr);
	cd_event_begin(&e, mem, sizeof(mem), CD_EVENT_SIGNIN_FAILED, 77, NOW);
	cd_event_puts(&e, CD_EVENT_F_USER, "alice");
	cd_event_puts(&e, CD_EVENT_F_DETAIL, NULL);
	cd_event_put_num(&e, CD_EVENT_F_SESSION, UINT64_MAX);
	cd_event_put_num(&e, CD_EVENT_F_STATUS, 302);
	cd_event_put_num(&e, CD_EVENT_F_OUTCOME, CD_OUTCOME_FAILURE);
	cd_event_put_num(&e, CD_EVENT_F_VERDICT, CD_CHALLENGE);
	cd_event_put_bytes(&e, CD_EVENT_F_TRACE, trace, sizeof(trace));
	cd_event_put_addr(&e, CD_EVENT_F_SRC_IP, &addr);
	cd_event_put_names(&e, CD_EVENT_F_GROUPS, groups, 2);
	cd_event_put_failed(&e, CD_STR("mfa.age"), CD_STR("< 12h"),
			    CD_STR("13h"));
	event = decoded(cd_event_end(&e));
	ok_eq_uint(event.event_class, CD_EVENT_SIGNIN_FAILED);
	ok_eq_uint(event.id, 77);
	ok_eq_int(event.ts, NOW);
	ok_eq_str(text_of(&event, "user"), "alice");
	ok_eq_str(text_of(&event, "detail"), NULL);
	ok_eq_str(text_of(&event, "session"), "18446744073709551615");
	ok_eq_str(text_of(&event, "status"), "302");
	ok_eq_str(text_of(&event, "outcome"), "failure");
	ok_eq_str(text_of(&event, "verdict"), "challenge");
	ok_eq_str(text_of(&event, "trace"), "deadbeef");
	ok_eq_str(text_of(&event, "src_ip"), "203.0.113.5");
	ok_eq_str(text_of(&event, "groups"), "finance, all");
	ok_true(cd_event_has(&event, CD_EVENT_F_GROUPS, CD_STR("all")));
	ok_false(cd_event_has(&event, CD_EVENT_F_GROUPS, CD_STR("al")));
	json = json_of(&event, "gw1");
	ok_eq_str(json,
		  "{\"ts\":\"2026-11-23T19:00:00.123456789Z\",\"id\":\"77\","
		  "\"class\":\"signin\",\"activity\":\"failed\","
		  "\"severity\":\"medium\",\"node\":\"gw1\","
		  "\"outcome\":\"failure\",\"verdict\":\"challenge\","
		  "\"session\":\"18446744073709551615\","
		  "\"trace\":\"deadbeef\",\"user\":\"alice\","
		  "\"groups\":[\"finance\",\"all\"],"
		  "\"src_ip\":\"203.0.113.5\",\"status\":302,"
		  "\"failed\":[{\"attr\":\"mfa.age\",\"need\":\"< 12h\","
		  "\"have\":\"13h\"}]}");
	free(json);
}

TEST(obligations_are_told_as_everywhere)
{
	struct cd_obligations o = {.record_required = true,
				   .no_upload = true,
				   .max = 4 * 3600,
				   .rate_count = 10,
				   .rate_period = 60};
	struct cd_event_encoder e;
	struct cd_event event;
	char *json;

	cd_event_begin(&e, mem, sizeof(mem), CD_EVENT_DECISION, 1, NOW);
	cd_event_put_obligations(&e, &o);
	event = decoded(cd_event_end(&e));
	ok_eq_str(text_of(&event, "obligations"),
		  "record required, no upload, max 4h, rate 10/1m");
	json = json_of(&event, "gw1");
	ok_true(strstr(json, "\"obligations\":{\"record\":\"required\","
			     "\"max\":\"4h\",\"rate\":\"10/1m\","
			     "\"no_upload\":true}") != NULL);
	free(json);
}

TEST(inputs_travel_with_their_age)
{
	struct cd_label labels[1] = {
		{cd_name_make(CD_STR("tier")), cd_name_make(CD_STR("web"))}};
	struct cd_name groups[1] = {cd_name_make(CD_STR("finance"))};
	struct cd_event_encoder e;
	struct cd_request req;
	struct cd_event event;
	char *json;

	cd_request_init(&req);
	cd_request_set_int(&req, CD_ATTR_SUBJECT, CD_SUBJECT_PERSON);
	cd_request_set_str(&req, CD_ATTR_USER_NAME, CD_STR("alice"));
	cd_request_set_names(&req, CD_ATTR_USER_GROUPS, groups, 1);
	cd_request_set_bool(&req, CD_ATTR_DEVICE_ENCRYPTED, true);
	req.v[CD_ATTR_DEVICE_ENCRYPTED].age = 3600;
	cd_request_set_int(&req, CD_ATTR_MFA_AGE, 2400);
	cd_request_set_int(&req, CD_ATTR_RISK_USER, 2);
	cd_request_set_labels(&req, CD_ATTR_SRC_LABELS, labels, 1);
	cd_request_set_int(&req, CD_ATTR_PROTO, 6);
	cd_request_set_int(&req, CD_ATTR_DST_PORT, 8080);
	cd_request_set_int(&req, CD_ATTR_TIME, NOW);
	cd_event_begin(&e, mem, sizeof(mem), CD_EVENT_DECISION, 1, NOW);
	cd_event_put_inputs(&e, &req);
	event = decoded(cd_event_end(&e));
	ok_eq_str(text_of(&event, "in.user.name"), "alice");
	ok_eq_str(text_of(&event, "user"), "alice");
	ok_eq_str(text_of(&event, "risk"), "medium");
	ok_eq_str(text_of(&event, "subject"), "person");
	ok_eq_str(text_of(&event, "in.mfa.age"), "40m");
	ok_eq_str(text_of(&event, "in.src.labels"), "tier=web");
	ok_eq_str(text_of(&event, "in.device.managed"), NULL);
	json = json_of(&event, "");
	ok_true(strstr(json,
		       "\"in\":{\"subject\":\"person\","
		       "\"time\":\"2026-11-23T19:00:00.123456789Z\","
		       "\"user.name\":\"alice\",\"user.groups\":[\"finance\"],"
		       "\"device.encrypted\":true,\"mfa.age\":\"40m\","
		       "\"risk.user\":\"medium\","
		       "\"src.labels\":{\"tier\":\"web\"},"
		       "\"dst.port\":8080,\"proto\":\"tcp\"},"
		       "\"in_age\":{\"device.encrypted\":3600}}") != NULL);
	ok_true(is_json(json));
	free(json);
}

TEST(what_does_not_fit_is_told)
{
	char big[5000];
	struct cd_event_encoder e;
	struct cd_event event;
	size_t len;

	memset(big, 'x', sizeof(big));
	for (size_t size = 64; size <= 5000; size += 37) {
		unsigned char *exact = malloc(size);

		cd_event_begin(&e, exact, size, CD_EVENT_DECISION, 1, NOW);
		for (int i = 0; i < 10; i++)
			cd_event_put_str(&e, CD_EVENT_F_PATH,
					 cd_str_make(big, sizeof(big)));
		len = cd_event_end(&e);
		ok_true(len <= size && len <= CD_EVENT_MAX);
		memcpy(mem, exact, len);
		free(exact);
		event = decoded(len);
		ok_eq_str(text_of(&event, "truncated"), "true");
	}
}

/* Nothing to put, where not even a field's header has room any more. */
TEST(a_full_record_takes_no_empty_field)
{
	unsigned char *after = mem + 96;
	struct cd_event_encoder e;
	struct cd_event event;
	char big[64];
	size_t len;

	memset(big, 'x', sizeof(big));
	for (size_t n = 1; n <= sizeof(big); n++) {
		memset(mem, 0xee, sizeof(mem));
		cd_event_begin(&e, mem, 96, CD_EVENT_DECISION, 1, NOW);
		cd_event_put_str(&e, CD_EVENT_F_PATH, cd_str_make(big, n));
		for (int i = 0; i < 20; i++) {
			cd_event_put_str(&e, CD_EVENT_F_HOST, CD_STR(""));
			cd_event_put_names(&e, CD_EVENT_F_HOST, NULL, 0);
			cd_event_put_bytes(&e, CD_EVENT_F_HOST, NULL, 0);
		}
		len = cd_event_end(&e);
		ok_true(len <= 96);
		for (size_t i = 0; i < 32; i++)
			ok_eq_uint(after[i], 0xee);
		event = decoded(CD_MIN(len, (size_t)96));
		ok_eq_str(text_of(&event, "truncated"), "true");
	}
}

TEST(text_is_cut_between_characters)
{
	char umlauts[2 * CD_EVENT_TEXT_MAX];
	struct cd_event_encoder e;
	struct cd_event event;
	const char *path;

	for (size_t i = 0; i < sizeof(umlauts); i += 2)
		memcpy(umlauts + i, "\xc3\xa4", 2);
	cd_event_begin(&e, mem, sizeof(mem), CD_EVENT_DECISION, 1, NOW);
	cd_event_puts(&e, CD_EVENT_F_USER, "a");
	cd_event_put_str(&e, CD_EVENT_F_PATH,
			 cd_str_make(umlauts, sizeof(umlauts)));
	cd_event_put_str(&e, CD_EVENT_F_HOST,
			 cd_str_make(umlauts + 1, sizeof(umlauts) - 1));
	event = decoded(cd_event_end(&e));
	path = text_of(&event, "path");
	ok_eq_uint(strlen(path), CD_EVENT_TEXT_MAX);
	ok_true(cd_utf8_is_valid(cd_str_from(path)));
	ok_eq_str(text_of(&event, "truncated"), "true");
}

TEST(hostile_text_stays_inside_its_string)
{
	static const char evil[] = "a\"},\n\x1b[2J\xff\x00{";
	struct cd_event_encoder e;
	struct cd_event event;
	char *json;

	cd_event_begin(&e, mem, sizeof(mem), CD_EVENT_DECISION, 1, NOW);
	cd_event_put_str(&e, CD_EVENT_F_PATH, CD_STR(evil));
	event = decoded(cd_event_end(&e));
	json = json_of(&event, "n");
	ok_true(is_json(json));
	for (const char *p = json; *p; p++)
		ok_true((unsigned char)*p >= 0x20 && *p != 0x7f);
	free(json);
}

TEST(every_cut_and_every_flip_is_survived)
{
	struct cd_name groups[2] = {cd_name_make(CD_STR("finance")),
				    cd_name_make(CD_STR("all"))};
	struct cd_event_encoder e;
	struct cd_event event;
	unsigned char good[CD_EVENT_MAX];
	size_t len, refused = 0, read = 0;

	cd_event_begin(&e, good, sizeof(good), CD_EVENT_DECISION, 1, NOW);
	cd_event_put_names(&e, CD_EVENT_F_GROUPS, groups, 2);
	cd_event_put_failed(&e, CD_STR("a"), CD_STR("b"), CD_STR("c"));
	cd_event_put_report(&e, CD_STR("r"), CD_ALLOW);
	len = cd_event_end(&e);
	for (size_t i = 0; i < len; i++)
		ok_eq_int(cd_event_decode(cd_str_make(good, i), &event, NULL),
			  CD_E_CORRUPT);
	for (size_t i = 0; i < len * 8; i++) {
		unsigned char *copy = malloc(len);
		char *json;

		memcpy(copy, good, len);
		copy[i / 8] ^= (unsigned char)(1u << i % 8);
		if (cd_event_decode(cd_str_make(copy, len), &event, NULL)) {
			refused++;
		} else {
			json = json_of(&event, "n");
			ok_true(is_json(json));
			free(json);
			read++;
		}
		free(copy);
	}
	ok_true(refused > 50 && read > 200);
}

TEST(ids_grow_whatever_the_clock_does)
{
	struct cd_event_ids ids = {.slot = 1023};
	uint64_t last = 0;

	for (int i = 0; i < 20000; i++) {
		int64_t ts = NOW + (i % 3 - 1) * INT64_C(86400000000000);
		uint64_t id = cd_event_id_next(&ids, ts);

		if (!ok_true(id > last) || !ok_eq_uint(id >> 12 & 0x3ff, 1023))
			return;
		last = id;
	}
}

static size_t small_event(uint64_t id)
{
	struct cd_event_encoder e;

	cd_event_begin(&e, mem, sizeof(mem), CD_EVENT_ADMIN, id, NOW);
	cd_event_puts(&e, CD_EVENT_F_ACTOR, "root");
	return cd_event_end(&e);
}

TEST(batches_come_back_and_lies_do_not)
{
	struct cd_batch_writer w;
	struct cd_batch batch;
	struct cd_event event;
	struct cd_buf b;
	struct cd_str rest;

	cd_buf_init(&b, 2 * CD_BATCH_MAX);
	cd_batch_begin(&w, &b, CD_STR("gw-1.example"), 5, 100);
	for (uint64_t i = 0; i < 3; i++)
		ok_eq_int(cd_batch_add(&w, cd_str_make(mem, small_event(i))),
			  0);
	ok_eq_int(cd_batch_add(&w, cd_str_make(mem, 10)), CD_E_CORRUPT);
	ok_eq_int(cd_batch_end(&w, 9), 0);
	if (!ok_eq_int(cd_batch_decode(cd_buf_get(&b), &batch), 0))
		return;
	ok_eq_uint(batch.epoch, 5);
	ok_eq_uint(batch.first, 100);
	ok_eq_uint(batch.count, 3);
	ok_eq_uint(batch.drops, 9);
	ok_true(cd_str_equal(batch.node, CD_STR("gw-1.example")));
	rest = batch.records;
	for (uint64_t i = 0; i < 3; i++) {
		ok_eq_int(cd_event_decode(rest, &event, &rest), 0);
		ok_eq_uint(event.id, i);
	}
	for (size_t i = 0; i < b.len; i++)
		ok_true(cd_batch_decode(cd_str_make(b.data, i), &batch) != 0);
	b.data[24]++; /* one record more than there is */
	ok_eq_int(cd_batch_decode(cd_buf_get(&b), &batch), CD_E_CORRUPT);
	b.data[24]--;
	b.data[4] = 2;
	ok_eq_int(cd_batch_decode(cd_buf_get(&b), &batch), CD_E_VERSION);
	b.data[4] = 1;
	b.data[40] = '\n';
	ok_eq_int(cd_batch_decode(cd_buf_get(&b), &batch), CD_E_CORRUPT);
	cd_buf_done(&b);
}

TEST(a_full_batch_says_so)
{
	struct cd_batch_writer w;
	struct cd_batch batch;
	struct cd_buf b;
	uint64_t n = 0;
	int r;

	cd_buf_init(&b, 2 * CD_BATCH_MAX);
	cd_batch_begin(&w, &b, CD_STR("n"), 0, 0);
	while (!(r = cd_batch_add(&w, cd_str_make(mem, small_event(n)))))
		n++;
	ok_eq_int(r, CD_E_LIMIT);
	ok_eq_int(cd_batch_end(&w, 0), 0);
	ok_true(b.len <= CD_BATCH_MAX && b.len > CD_BATCH_MAX - 100);
	ok_eq_int(cd_batch_decode(cd_buf_get(&b), &batch), 0);
	ok_eq_uint(batch.count, n);
	cd_buf_done(&b);
}

/* A frame's checksum covers where it stands: one that a fault of the disk put
 * elsewhere is no frame there. */
TEST(a_frame_is_good_where_it_was_written)
{
	static const char payload[] = "payload";
	unsigned char frame[CD_FRAME_HEADER_SIZE + sizeof(payload)];
	struct cd_str bytes = cd_str_make(frame, sizeof(frame)), got;

	memcpy(frame + CD_FRAME_HEADER_SIZE, payload, sizeof(payload));
	cd_frame_header(4096, cd_str_make(payload, sizeof(payload)), frame);
	ok_eq_int(cd_frame_decode(4096, bytes, &got), 0);
	ok_mem(got.ptr, got.len, payload, sizeof(payload));
	ok_eq_int(cd_frame_decode(4104, bytes, &got), CD_E_CORRUPT);
	ok_eq_int(cd_frame_decode(0, bytes, &got), CD_E_CORRUPT);
	frame[CD_FRAME_HEADER_SIZE] ^= 1;
	ok_eq_int(cd_frame_decode(4096, bytes, &got), CD_E_CORRUPT);
	bytes.len--;
	ok_eq_int(cd_frame_decode(4096, bytes, &got), -EAGAIN);
}
