INSERT INTO sexton_runs (id, job, database, slot, attempt, state, worker, epoch, as_of, started_at, finished_at, batches, counts, error, definition, missed, asked_by, wall)
VALUES (1, 'policies.seats_over', 'main', NULL, 1, 'succeeded', 'host:1:823869bd', 1, '2026-06-15 12:00:00.000000', '2026-11-29 12:11:11.786000', '2026-11-29 12:11:11.838000', 1, '{"seats_over": {"picked": 7, "changed": 0, "told": 7}}', NULL, 'a97e7e7c0c67d7ec', 0, NULL, NULL);
INSERT INTO sexton_runs (id, job, database, slot, attempt, state, worker, epoch, as_of, started_at, finished_at, batches, counts, error, definition, missed, asked_by, wall)
VALUES (2, 'policies.bills_over', 'main', NULL, 1, 'succeeded', 'host:1:9845c829', 1, '2026-06-15 12:00:00.000000', '2026-11-29 12:11:12.685000', '2026-11-29 12:11:12.732000', 1, '{"bills_over": {"picked": 5, "changed": 0, "told": 5}}', NULL, 'a97e7e7c0c67d7ec', 0, NULL, NULL);
INSERT INTO sexton_runs (id, job, database, slot, attempt, state, worker, epoch, as_of, started_at, finished_at, batches, counts, error, definition, missed, asked_by, wall)
VALUES (3, 'policies.tokens_closed', 'main', NULL, 1, 'succeeded', 'host:1:508e618a', 1, '2026-06-15 12:00:00.000000', '2026-11-29 12:11:13.241000', '2026-11-29 12:11:13.319000', 1, '{"tokens_closed": {"picked": 6, "changed": 6, "told": 6}}', NULL, 'a97e7e7c0c67d7ec', 0, NULL, NULL);
INSERT INTO sexton_runs (id, job, database, slot, attempt, state, worker, epoch, as_of, started_at, finished_at, batches, counts, error, definition, missed, asked_by, wall)
VALUES (4, 'policies.places_gone', 'main', NULL, 1, 'partial', 'host:1:39ffb9f7', 1, '2026-06-15 12:00:00.000000', '2026-11-29 12:11:13.821000', '2026-11-29 12:11:13.966000', 6, '{"places_gone": {"picked": 1, "changed": 1, "told": 0, "poison": 4}}', '4 rows refused and set aside', 'a97e7e7c0c67d7ec', 0, NULL, NULL);
INSERT INTO sexton_runs (id, job, database, slot, attempt, state, worker, epoch, as_of, started_at, finished_at, batches, counts, error, definition, missed, asked_by, wall)
VALUES (5, 'policies.codes_gone', 'main', NULL, 1, 'partial', 'host:1:c52a36f6', 1, '2026-06-15 12:00:00.000000', '2026-11-29 12:11:14.431000', '2026-11-29 12:11:14.558000', 5, '{"codes_gone": {"picked": 1, "changed": 1, "told": 0, "poison": 3}}', '3 rows refused and set aside', 'a97e7e7c0c67d7ec', 0, NULL, NULL);
INSERT INTO sexton_runs (id, job, database, slot, attempt, state, worker, epoch, as_of, started_at, finished_at, batches, counts, error, definition, missed, asked_by, wall)
VALUES (6, 'policies.orders_kept', 'main', NULL, 1, 'succeeded', 'host:1:cbe8c37f', 1, '2026-06-15 12:00:00.000000', '2026-11-29 12:11:15.029000', '2026-11-29 12:11:15.145000', 1, '{"orders_kept": {"picked": 5, "changed": 5, "told": 0, "also": {"items": 8}}}', NULL, 'a97e7e7c0c67d7ec', 0, NULL, NULL);
INSERT INTO sexton_leases (name, holder, epoch, expires_at)
VALUES ('job:policies.bills_over', NULL, 1, '2026-11-29 12:11:12.731000');
INSERT INTO sexton_leases (name, holder, epoch, expires_at)
VALUES ('job:policies.codes_gone', NULL, 1, '2026-11-29 12:11:14.557000');
INSERT INTO sexton_leases (name, holder, epoch, expires_at)
VALUES ('job:policies.orders_kept', NULL, 1, '2026-11-29 12:11:15.145000');
INSERT INTO sexton_leases (name, holder, epoch, expires_at)
VALUES ('job:policies.places_gone', NULL, 1, '2026-11-29 12:11:13.966000');
INSERT INTO sexton_leases (name, holder, epoch, expires_at)
VALUES ('job:policies.seats_over', NULL, 1, '2026-11-29 12:11:11.838000');
INSERT INTO sexton_leases (name, holder, epoch, expires_at)
VALUES ('job:policies.tokens_closed', NULL, 1, '2026-11-29 12:11:13.319000');
INSERT INTO sexton_effects (key, job, subject, run_id, created_at)
VALUES ('policies.bills_over:warn:1:2026-06-14 12:00:00.000000', 'policies.bills_over', '1', 2, '2026-06-15 12:00:00.000000');
INSERT INTO sexton_effects (key, job, subject, run_id, created_at)
VALUES ('policies.bills_over:warn:2:2026-06-14 12:00:00.000000', 'policies.bills_over', '2', 2, '2026-06-15 12:00:00.000000');
INSERT INTO sexton_effects (key, job, subject, run_id, created_at)
VALUES ('policies.bills_over:warn:3:2026-06-14 12:00:00.000000', 'policies.bills_over', '3', 2, '2026-06-15 12:00:00.000000');
INSERT INTO sexton_effects (key, job, subject, run_id, created_at)
VALUES ('policies.bills_over:warn:4:2026-06-14 12:00:00.000000', 'policies.bills_over', '4', 2, '2026-06-15 12:00:00.000000');
INSERT INTO sexton_effects (key, job, subject, run_id, created_at)
VALUES ('policies.bills_over:warn:5:2026-06-14 12:00:00.000000', 'policies.bills_over', '5', 2, '2026-06-15 12:00:00.000000');
INSERT INTO sexton_effects (key, job, subject, run_id, created_at)
VALUES ('policies.seats_over:warn:a,b:c:2026-06-14 12:00:00.000000', 'policies.seats_over', 'a~1b,c', 1, '2026-06-15 12:00:00.000000');
INSERT INTO sexton_effects (key, job, subject, run_id, created_at)
VALUES ('policies.seats_over:warn:a:b,c:2026-06-14 12:00:00.000000', 'policies.seats_over', 'a,b~1c', 1, '2026-06-15 12:00:00.000000');
INSERT INTO sexton_effects (key, job, subject, run_id, created_at)
VALUES ('policies.seats_over:warn:a:b~1c:2026-06-14 12:00:00.000000', 'policies.seats_over', 'a,b:c', 1, '2026-06-15 12:00:00.000000');
INSERT INTO sexton_effects (key, job, subject, run_id, created_at)
VALUES ('policies.seats_over:warn:a~00b:c:2026-06-14 12:00:00.000000', 'policies.seats_over', 'a~00b,c', 1, '2026-06-15 12:00:00.000000');
INSERT INTO sexton_effects (key, job, subject, run_id, created_at)
VALUES ('policies.seats_over:warn:a~0b:c:2026-06-14 12:00:00.000000', 'policies.seats_over', 'a~0b,c', 1, '2026-06-15 12:00:00.000000');
INSERT INTO sexton_effects (key, job, subject, run_id, created_at)
VALUES ('policies.seats_over:warn:a~1b:c:2026-06-14 12:00:00.000000', 'policies.seats_over', 'a:b,c', 1, '2026-06-15 12:00:00.000000');
INSERT INTO sexton_effects (key, job, subject, run_id, created_at)
VALUES ('policies.seats_over:warn:plain:text:2026-06-14 12:00:00.000000', 'policies.seats_over', 'plain,text', 1, '2026-06-15 12:00:00.000000');
INSERT INTO sexton_effects (key, job, subject, run_id, created_at)
VALUES ('policies.tokens_closed:transition:longlonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglo~01bf4e38cdac7280cb2cce1e2d84d61ae4e2683c453a8b0ec13d20c1e476659f', 'policies.tokens_closed', 'longlonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglong~4cbbabcdf4f5553b7af266d9079de49ddfc089cfdd259db5f13f176076a0d28c', 3, '2026-06-15 12:00:00.000000');
INSERT INTO sexton_effects (key, job, subject, run_id, created_at)
VALUES ('policies.tokens_closed:transition:plain:2026-06-14 12:00:00.000000', 'policies.tokens_closed', 'plain', 3, '2026-06-15 12:00:00.000000');
INSERT INTO sexton_effects (key, job, subject, run_id, created_at)
VALUES ('policies.tokens_closed:transition:t,1:2026-06-14 12:00:00.000000', 'policies.tokens_closed', 't,1', 3, '2026-06-15 12:00:00.000000');
INSERT INTO sexton_effects (key, job, subject, run_id, created_at)
VALUES ('policies.tokens_closed:transition:t~001:2026-06-14 12:00:00.000000', 'policies.tokens_closed', 't~01', 3, '2026-06-15 12:00:00.000000');
INSERT INTO sexton_effects (key, job, subject, run_id, created_at)
VALUES ('policies.tokens_closed:transition:t~01:2026-06-14 12:00:00.000000', 'policies.tokens_closed', 't~1', 3, '2026-06-15 12:00:00.000000');
INSERT INTO sexton_effects (key, job, subject, run_id, created_at)
VALUES ('policies.tokens_closed:transition:t~11:2026-06-14 12:00:00.000000', 'policies.tokens_closed', 't:1', 3, '2026-06-15 12:00:00.000000');
INSERT INTO sexton_outbox_events (id, key, event_type, recipient, payload, created_at, published_at, attempt_count, last_attempted_at, last_error)
VALUES (1, 'policies.seats_over:warn:a:b,c:2026-06-14 12:00:00.000000', 'seats_over', NULL, '{"hall":"a","place":"b,c","ends":"2026-06-14 12:00:00.000000"}', '2026-06-15 12:00:00.000000', NULL, 0, NULL, NULL);
INSERT INTO sexton_outbox_events (id, key, event_type, recipient, payload, created_at, published_at, attempt_count, last_attempted_at, last_error)
VALUES (2, 'policies.seats_over:warn:a:b~1c:2026-06-14 12:00:00.000000', 'seats_over', NULL, '{"hall":"a","place":"b:c","ends":"2026-06-14 12:00:00.000000"}', '2026-06-15 12:00:00.000000', NULL, 0, NULL, NULL);
INSERT INTO sexton_outbox_events (id, key, event_type, recipient, payload, created_at, published_at, attempt_count, last_attempted_at, last_error)
VALUES (3, 'policies.seats_over:warn:a,b:c:2026-06-14 12:00:00.000000', 'seats_over', NULL, '{"hall":"a,b","place":"c","ends":"2026-06-14 12:00:00.000000"}', '2026-06-15 12:00:00.000000', NULL, 0, NULL, NULL);
INSERT INTO sexton_outbox_events (id, key, event_type, recipient, payload, created_at, published_at, attempt_count, last_attempted_at, last_error)
VALUES (4, 'policies.seats_over:warn:a~1b:c:2026-06-14 12:00:00.000000', 'seats_over', NULL, '{"hall":"a:b","place":"c","ends":"2026-06-14 12:00:00.000000"}', '2026-06-15 12:00:00.000000', NULL, 0, NULL, NULL);
INSERT INTO sexton_outbox_events (id, key, event_type, recipient, payload, created_at, published_at, attempt_count, last_attempted_at, last_error)
VALUES (5, 'policies.seats_over:warn:a~00b:c:2026-06-14 12:00:00.000000', 'seats_over', NULL, '{"hall":"a~0b","place":"c","ends":"2026-06-14 12:00:00.000000"}', '2026-06-15 12:00:00.000000', NULL, 0, NULL, NULL);
INSERT INTO sexton_outbox_events (id, key, event_type, recipient, payload, created_at, published_at, attempt_count, last_attempted_at, last_error)
VALUES (6, 'policies.seats_over:warn:a~0b:c:2026-06-14 12:00:00.000000', 'seats_over', NULL, '{"hall":"a~b","place":"c","ends":"2026-06-14 12:00:00.000000"}', '2026-06-15 12:00:00.000000', NULL, 0, NULL, NULL);
INSERT INTO sexton_outbox_events (id, key, event_type, recipient, payload, created_at, published_at, attempt_count, last_attempted_at, last_error)
VALUES (7, 'policies.seats_over:warn:plain:text:2026-06-14 12:00:00.000000', 'seats_over', NULL, '{"hall":"plain","place":"text","ends":"2026-06-14 12:00:00.000000"}', '2026-06-15 12:00:00.000000', NULL, 0, NULL, NULL);
INSERT INTO sexton_outbox_events (id, key, event_type, recipient, payload, created_at, published_at, attempt_count, last_attempted_at, last_error)
VALUES (8, 'policies.bills_over:warn:1:2026-06-14 12:00:00.000000', 'bills_over', NULL, '{"id":1,"ends":"2026-06-14 12:00:00.000000"}', '2026-06-15 12:00:00.000000', NULL, 0, NULL, NULL);
INSERT INTO sexton_outbox_events (id, key, event_type, recipient, payload, created_at, published_at, attempt_count, last_attempted_at, last_error)
VALUES (9, 'policies.bills_over:warn:2:2026-06-14 12:00:00.000000', 'bills_over', NULL, '{"id":2,"ends":"2026-06-14 12:00:00.000000"}', '2026-06-15 12:00:00.000000', NULL, 0, NULL, NULL);
INSERT INTO sexton_outbox_events (id, key, event_type, recipient, payload, created_at, published_at, attempt_count, last_attempted_at, last_error)
VALUES (10, 'policies.bills_over:warn:3:2026-06-14 12:00:00.000000', 'bills_over', NULL, '{"id":3,"ends":"2026-06-14 12:00:00.000000"}', '2026-06-15 12:00:00.000000', NULL, 0, NULL, NULL);
INSERT INTO sexton_outbox_events (id, key, event_type, recipient, payload, created_at, published_at, attempt_count, last_attempted_at, last_error)
VALUES (11, 'policies.bills_over:warn:4:2026-06-14 12:00:00.000000', 'bills_over', NULL, '{"id":4,"ends":"2026-06-14 12:00:00.000000"}', '2026-06-15 12:00:00.000000', NULL, 0, NULL, NULL);
INSERT INTO sexton_outbox_events (id, key, event_type, recipient, payload, created_at, published_at, attempt_count, last_attempted_at, last_error)
VALUES (12, 'policies.bills_over:warn:5:2026-06-14 12:00:00.000000', 'bills_over', NULL, '{"id":5,"ends":"2026-06-14 12:00:00.000000"}', '2026-06-15 12:00:00.000000', NULL, 0, NULL, NULL);
INSERT INTO sexton_outbox_events (id, key, event_type, recipient, payload, created_at, published_at, attempt_count, last_attempted_at, last_error)
VALUES (13, 'policies.tokens_closed:transition:longlonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglo~01bf4e38cdac7280cb2cce1e2d84d61ae4e2683c453a8b0ec13d20c1e476659f', 'token_closed', NULL, '{"token":"longlonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglong","ends":"2026-06-14 12:00:00.000000"}', '2026-06-15 12:00:00.000000', NULL, 0, NULL, NULL);
INSERT INTO sexton_outbox_events (id, key, event_type, recipient, payload, created_at, published_at, attempt_count, last_attempted_at, last_error)
VALUES (14, 'policies.tokens_closed:transition:plain:2026-06-14 12:00:00.000000', 'token_closed', NULL, '{"token":"plain","ends":"2026-06-14 12:00:00.000000"}', '2026-06-15 12:00:00.000000', NULL, 0, NULL, NULL);
INSERT INTO sexton_outbox_events (id, key, event_type, recipient, payload, created_at, published_at, attempt_count, last_attempted_at, last_error)
VALUES (15, 'policies.tokens_closed:transition:t,1:2026-06-14 12:00:00.000000', 'token_closed', NULL, '{"token":"t,1","ends":"2026-06-14 12:00:00.000000"}', '2026-06-15 12:00:00.000000', NULL, 0, NULL, NULL);
INSERT INTO sexton_outbox_events (id, key, event_type, recipient, payload, created_at, published_at, attempt_count, last_attempted_at, last_error)
VALUES (16, 'policies.tokens_closed:transition:t~11:2026-06-14 12:00:00.000000', 'token_closed', NULL, '{"token":"t:1","ends":"2026-06-14 12:00:00.000000"}', '2026-06-15 12:00:00.000000', NULL, 0, NULL, NULL);
INSERT INTO sexton_outbox_events (id, key, event_type, recipient, payload, created_at, published_at, attempt_count, last_attempted_at, last_error)
VALUES (17, 'policies.tokens_closed:transition:t~001:2026-06-14 12:00:00.000000', 'token_closed', NULL, '{"token":"t~01","ends":"2026-06-14 12:00:00.000000"}', '2026-06-15 12:00:00.000000', NULL, 0, NULL, NULL);
INSERT INTO sexton_outbox_events (id, key, event_type, recipient, payload, created_at, published_at, attempt_count, last_attempted_at, last_error)
VALUES (18, 'policies.tokens_closed:transition:t~01:2026-06-14 12:00:00.000000', 'token_closed', NULL, '{"token":"t~1","ends":"2026-06-14 12:00:00.000000"}', '2026-06-15 12:00:00.000000', NULL, 0, NULL, NULL);
INSERT INTO sexton_poison (job, step, subject, error, attempts, run_id, first_seen_at, last_seen_at, next_at)
VALUES ('policies.codes_gone', 'codes_gone', 'x:1', 'it stays', 1, 5, '2026-06-15 12:00:00.000000', '2026-06-15 12:00:00.000000', '2026-06-15 13:00:00.000000');
INSERT INTO sexton_poison (job, step, subject, error, attempts, run_id, first_seen_at, last_seen_at, next_at)
VALUES ('policies.codes_gone', 'codes_gone', 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx~5130b33e6b87fbf5316ed9049e98924eb110800bcbaaad8050f642fba6df37c9', 'it stays', 1, 5, '2026-06-15 12:00:00.000000', '2026-06-15 12:00:00.000000', '2026-06-15 13:00:00.000000');
INSERT INTO sexton_poison (job, step, subject, error, attempts, run_id, first_seen_at, last_seen_at, next_at)
VALUES ('policies.codes_gone', 'codes_gone', 'x~1', 'it stays', 1, 5, '2026-06-15 12:00:00.000000', '2026-06-15 12:00:00.000000', '2026-06-15 13:00:00.000000');
INSERT INTO sexton_poison (job, step, subject, error, attempts, run_id, first_seen_at, last_seen_at, next_at)
VALUES ('policies.places_gone', 'places_gone', 'x,a~1b', 'it stays', 1, 4, '2026-06-15 12:00:00.000000', '2026-06-15 12:00:00.000000', '2026-06-15 13:00:00.000000');
INSERT INTO sexton_poison (job, step, subject, error, attempts, run_id, first_seen_at, last_seen_at, next_at)
VALUES ('policies.places_gone', 'places_gone', 'x,plain', 'it stays', 1, 4, '2026-06-15 12:00:00.000000', '2026-06-15 12:00:00.000000', '2026-06-15 13:00:00.000000');
INSERT INTO sexton_poison (job, step, subject, error, attempts, run_id, first_seen_at, last_seen_at, next_at)
VALUES ('policies.places_gone', 'places_gone', 'x~0,c', 'it stays', 1, 4, '2026-06-15 12:00:00.000000', '2026-06-15 12:00:00.000000', '2026-06-15 13:00:00.000000');
INSERT INTO sexton_poison (job, step, subject, error, attempts, run_id, first_seen_at, last_seen_at, next_at)
VALUES ('policies.places_gone', 'places_gone', 'x~1a,b', 'it stays', 1, 4, '2026-06-15 12:00:00.000000', '2026-06-15 12:00:00.000000', '2026-06-15 13:00:00.000000');
INSERT INTO sexton_armed (policy, definition, armed_at, armed_by, allowed, tables)
VALUES ('bills_over', '0bbdd6d91039990a', '2026-11-29 12:11:07.549000', 'me@host', NULL, '{}');
INSERT INTO sexton_armed (policy, definition, armed_at, armed_by, allowed, tables)
VALUES ('codes_gone', '1460aa4fb71af221', '2026-11-29 12:11:09.917000', 'me@host', NULL, '{}');
INSERT INTO sexton_armed (policy, definition, armed_at, armed_by, allowed, tables)
VALUES ('orders_kept', 'a08490189b36aae5', '2026-11-29 12:11:10.947000', 'me@host', NULL, '{}');
INSERT INTO sexton_armed (policy, definition, armed_at, armed_by, allowed, tables)
VALUES ('places_gone', '934effe34cc77881', '2026-11-29 12:11:09.133000', 'me@host', NULL, '{}');
INSERT INTO sexton_armed (policy, definition, armed_at, armed_by, allowed, tables)
VALUES ('seats_over', '9f9ac0203c0dc559', '2026-11-29 12:11:06.759000', 'me@host', NULL, '{}');
INSERT INTO sexton_armed (policy, definition, armed_at, armed_by, allowed, tables)
VALUES ('tokens_closed', '7fcd583e0d813761', '2026-11-29 12:11:08.320000', 'me@host', NULL, '{}');
INSERT INTO sexton_archives (file, job, run_id, rows, deleted, sha256, size, created_at, finished_at, waiting)
VALUES ('orders_kept-20260615T120000Z-run6-0001-6cb173.jsonl.gz', 'policies.orders_kept', 6, 5, 5, 'ffc014c439056825590da198a85f08d55ceaedebb4a4912a68955cb8c8047fe7', 212, '2026-11-29 12:11:15.130000', '2026-11-29 12:11:15.142000', NULL);
