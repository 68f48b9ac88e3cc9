INSERT INTO sexton.runs (id, job, database, slot, attempt, state, worker, epoch, as_of, started_at, finished_at, batches, counts, error, definition, missed, asked_by, wall)
VALUES ('1', 'policies.seats_over', 'main', NULL, '1', 'succeeded', 'host:1:db3c4d1b', '1', '2026-06-15 12:00:00+00', '2026-11-29 12:11:23.179139+00', '2026-11-29 12:11:23.251807+00', '1', '{"seats_over": {"picked": 7, "changed": 0, "told": 7}}', NULL, '52d391f500b4a143', '0', NULL, NULL);
INSERT INTO sexton.runs (id, job, database, slot, attempt, state, worker, epoch, as_of, started_at, finished_at, batches, counts, error, definition, missed, asked_by, wall)
VALUES ('2', 'policies.bills_over', 'main', NULL, '1', 'succeeded', 'host:1:79ad5ef4', '1', '2026-06-15 12:00:00+00', '2026-11-29 12:11:24.046561+00', '2026-11-29 12:11:24.124676+00', '1', '{"bills_over": {"picked": 5, "changed": 0, "told": 5}}', NULL, '52d391f500b4a143', '0', NULL, NULL);
INSERT INTO sexton.runs (id, job, database, slot, attempt, state, worker, epoch, as_of, started_at, finished_at, batches, counts, error, definition, missed, asked_by, wall)
VALUES ('3', 'policies.tokens_closed', 'main', NULL, '1', 'succeeded', 'host:1:2f68a89d', '1', '2026-06-15 12:00:00+00', '2026-11-29 12:11:25.043572+00', '2026-11-29 12:11:25.104938+00', '1', '{"tokens_closed": {"picked": 6, "changed": 6, "told": 6}}', NULL, '52d391f500b4a143', '0', NULL, NULL);
INSERT INTO sexton.runs (id, job, database, slot, attempt, state, worker, epoch, as_of, started_at, finished_at, batches, counts, error, definition, missed, asked_by, wall)
VALUES ('4', 'policies.places_gone', 'main', NULL, '1', 'partial', 'host:1:3cc603da', '1', '2026-06-15 12:00:00+00', '2026-11-29 12:11:25.929605+00', '2026-11-29 12:11:26.049158+00', '6', '{"places_gone": {"picked": 1, "changed": 1, "told": 0, "poison": 4}}', '4 rows refused and set aside', '52d391f500b4a143', '0', NULL, NULL);
INSERT INTO sexton.runs (id, job, database, slot, attempt, state, worker, epoch, as_of, started_at, finished_at, batches, counts, error, definition, missed, asked_by, wall)
VALUES ('5', 'policies.codes_gone', 'main', NULL, '1', 'partial', 'host:1:50643a0b', '1', '2026-06-15 12:00:00+00', '2026-11-29 12:11:26.851978+00', '2026-11-29 12:11:26.957555+00', '5', '{"codes_gone": {"picked": 1, "changed": 1, "told": 0, "poison": 3}}', '3 rows refused and set aside', '52d391f500b4a143', '0', NULL, NULL);
INSERT INTO sexton.runs (id, job, database, slot, attempt, state, worker, epoch, as_of, started_at, finished_at, batches, counts, error, definition, missed, asked_by, wall)
VALUES ('6', 'policies.orders_kept', 'main', NULL, '1', 'succeeded', 'host:1:1d1cb1ef', '1', '2026-06-15 12:00:00+00', '2026-11-29 12:11:27.779118+00', '2026-11-29 12:11:27.877329+00', '1', '{"orders_kept": {"picked": 5, "changed": 5, "told": 0, "also": {"items": 8}}}', NULL, '52d391f500b4a143', '0', NULL, NULL);
INSERT INTO sexton.leases (name, holder, epoch, expires_at)
VALUES ('job:policies.bills_over', NULL, '1', '2026-11-29 12:11:24.123752+00');
INSERT INTO sexton.leases (name, holder, epoch, expires_at)
VALUES ('job:policies.codes_gone', NULL, '1', '2026-11-29 12:11:26.956701+00');
INSERT INTO sexton.leases (name, holder, epoch, expires_at)
VALUES ('job:policies.orders_kept', NULL, '1', '2026-11-29 12:11:27.874092+00');
INSERT INTO sexton.leases (name, holder, epoch, expires_at)
VALUES ('job:policies.places_gone', NULL, '1', '2026-11-29 12:11:26.048342+00');
INSERT INTO sexton.leases (name, holder, epoch, expires_at)
VALUES ('job:policies.seats_over', NULL, '1', '2026-11-29 12:11:23.251052+00');
INSERT INTO sexton.leases (name, holder, epoch, expires_at)
VALUES ('job:policies.tokens_closed', NULL, '1', '2026-11-29 12:11:25.104126+00');
INSERT INTO sexton.effects (key, job, subject, run_id, created_at)
VALUES ('policies.bills_over:warn:1:2026-06-14T12:00:00.000000Z', 'policies.bills_over', '1', '2', '2026-06-15 12:00:00+00');
INSERT INTO sexton.effects (key, job, subject, run_id, created_at)
VALUES ('policies.bills_over:warn:2:2026-06-14T12:00:00.000000Z', 'policies.bills_over', '2', '2', '2026-06-15 12:00:00+00');
INSERT INTO sexton.effects (key, job, subject, run_id, created_at)
VALUES ('policies.bills_over:warn:3:2026-06-14T12:00:00.000000Z', 'policies.bills_over', '3', '2', '2026-06-15 12:00:00+00');
INSERT INTO sexton.effects (key, job, subject, run_id, created_at)
VALUES ('policies.bills_over:warn:4:2026-06-14T12:00:00.000000Z', 'policies.bills_over', '4', '2', '2026-06-15 12:00:00+00');
INSERT INTO sexton.effects (key, job, subject, run_id, created_at)
VALUES ('policies.bills_over:warn:5:2026-06-14T12:00:00.000000Z', 'policies.bills_over', '5', '2', '2026-06-15 12:00:00+00');
INSERT INTO sexton.effects (key, job, subject, run_id, created_at)
VALUES ('policies.seats_over:warn:a,b:c:2026-06-14T12:00:00.000000Z', 'policies.seats_over', 'a~1b,c', '1', '2026-06-15 12:00:00+00');
INSERT INTO sexton.effects (key, job, subject, run_id, created_at)
VALUES ('policies.seats_over:warn:a:b,c:2026-06-14T12:00:00.000000Z', 'policies.seats_over', 'a,b~1c', '1', '2026-06-15 12:00:00+00');
INSERT INTO sexton.effects (key, job, subject, run_id, created_at)
VALUES ('policies.seats_over:warn:a:b~1c:2026-06-14T12:00:00.000000Z', 'policies.seats_over', 'a,b:c', '1', '2026-06-15 12:00:00+00');
INSERT INTO sexton.effects (key, job, subject, run_id, created_at)
VALUES ('policies.seats_over:warn:a~00b:c:2026-06-14T12:00:00.000000Z', 'policies.seats_over', 'a~00b,c', '1', '2026-06-15 12:00:00+00');
INSERT INTO sexton.effects (key, job, subject, run_id, created_at)
VALUES ('policies.seats_over:warn:a~0b:c:2026-06-14T12:00:00.000000Z', 'policies.seats_over', 'a~0b,c', '1', '2026-06-15 12:00:00+00');
INSERT INTO sexton.effects (key, job, subject, run_id, created_at)
VALUES ('policies.seats_over:warn:a~1b:c:2026-06-14T12:00:00.000000Z', 'policies.seats_over', 'a:b,c', '1', '2026-06-15 12:00:00+00');
INSERT INTO sexton.effects (key, job, subject, run_id, created_at)
VALUES ('policies.seats_over:warn:plain:text:2026-06-14T12:00:00.000000Z', 'policies.seats_over', 'plain,text', '1', '2026-06-15 12:00:00+00');
INSERT INTO sexton.effects (key, job, subject, run_id, created_at)
VALUES ('policies.tokens_closed:transition:longlonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglo~5e4f685f83d9b1e51bfe0ce3bd4cd79c97fe063b0ec6ea8a321aba38f6617b6a', 'policies.tokens_closed', 'longlonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglong~4cbbabcdf4f5553b7af266d9079de49ddfc089cfdd259db5f13f176076a0d28c', '3', '2026-06-15 12:00:00+00');
INSERT INTO sexton.effects (key, job, subject, run_id, created_at)
VALUES ('policies.tokens_closed:transition:plain:2026-06-14T12:00:00.000000Z', 'policies.tokens_closed', 'plain', '3', '2026-06-15 12:00:00+00');
INSERT INTO sexton.effects (key, job, subject, run_id, created_at)
VALUES ('policies.tokens_closed:transition:t,1:2026-06-14T12:00:00.000000Z', 'policies.tokens_closed', 't,1', '3', '2026-06-15 12:00:00+00');
INSERT INTO sexton.effects (key, job, subject, run_id, created_at)
VALUES ('policies.tokens_closed:transition:t~001:2026-06-14T12:00:00.000000Z', 'policies.tokens_closed', 't~01', '3', '2026-06-15 12:00:00+00');
INSERT INTO sexton.effects (key, job, subject, run_id, created_at)
VALUES ('policies.tokens_closed:transition:t~01:2026-06-14T12:00:00.000000Z', 'policies.tokens_closed', 't~1', '3', '2026-06-15 12:00:00+00');
INSERT INTO sexton.effects (key, job, subject, run_id, created_at)
VALUES ('policies.tokens_closed:transition:t~11:2026-06-14T12:00:00.000000Z', 'policies.tokens_closed', 't:1', '3', '2026-06-15 12:00:00+00');
INSERT INTO sexton.outbox_events (id, key, event_type, recipient, payload, created_at, published_at, attempt_count, last_attempted_at, last_error)
VALUES ('1', 'policies.seats_over:warn:a:b,c:2026-06-14T12:00:00.000000Z', 'seats_over', NULL, '{"ends": "2026-06-14T12:00:00.000000Z", "hall": "a", "place": "b,c"}', '2026-06-15 12:00:00+00', NULL, '0', NULL, NULL);
INSERT INTO sexton.outbox_events (id, key, event_type, recipient, payload, created_at, published_at, attempt_count, last_attempted_at, last_error)
VALUES ('10', 'policies.bills_over:warn:3:2026-06-14T12:00:00.000000Z', 'bills_over', NULL, '{"id": 3, "ends": "2026-06-14T12:00:00.000000Z"}', '2026-06-15 12:00:00+00', NULL, '0', NULL, NULL);
INSERT INTO sexton.outbox_events (id, key, event_type, recipient, payload, created_at, published_at, attempt_count, last_attempted_at, last_error)
VALUES ('11', 'policies.bills_over:warn:4:2026-06-14T12:00:00.000000Z', 'bills_over', NULL, '{"id": 4, "ends": "2026-06-14T12:00:00.000000Z"}', '2026-06-15 12:00:00+00', NULL, '0', NULL, NULL);
INSERT INTO sexton.outbox_events (id, key, event_type, recipient, payload, created_at, published_at, attempt_count, last_attempted_at, last_error)
VALUES ('12', 'policies.bills_over:warn:5:2026-06-14T12:00:00.000000Z', 'bills_over', NULL, '{"id": 5, "ends": "2026-06-14T12:00:00.000000Z"}', '2026-06-15 12:00:00+00', NULL, '0', NULL, NULL);
INSERT INTO sexton.outbox_events (id, key, event_type, recipient, payload, created_at, published_at, attempt_count, last_attempted_at, last_error)
VALUES ('13', 'policies.tokens_closed:transition:longlonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglo~5e4f685f83d9b1e51bfe0ce3bd4cd79c97fe063b0ec6ea8a321aba38f6617b6a', 'token_closed', NULL, '{"ends": "2026-06-14T12:00:00.000000Z", "token": "longlonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglong"}', '2026-06-15 12:00:00+00', NULL, '0', NULL, NULL);
INSERT INTO sexton.outbox_events (id, key, event_type, recipient, payload, created_at, published_at, attempt_count, last_attempted_at, last_error)
VALUES ('14', 'policies.tokens_closed:transition:plain:2026-06-14T12:00:00.000000Z', 'token_closed', NULL, '{"ends": "2026-06-14T12:00:00.000000Z", "token": "plain"}', '2026-06-15 12:00:00+00', NULL, '0', NULL, NULL);
INSERT INTO sexton.outbox_events (id, key, event_type, recipient, payload, created_at, published_at, attempt_count, last_attempted_at, last_error)
VALUES ('15', 'policies.tokens_closed:transition:t,1:2026-06-14T12:00:00.000000Z', 'token_closed', NULL, '{"ends": "2026-06-14T12:00:00.000000Z", "token": "t,1"}', '2026-06-15 12:00:00+00', NULL, '0', NULL, NULL);
INSERT INTO sexton.outbox_events (id, key, event_type, recipient, payload, created_at, published_at, attempt_count, last_attempted_at, last_error)
VALUES ('16', 'policies.tokens_closed:transition:t~11:2026-06-14T12:00:00.000000Z', 'token_closed', NULL, '{"ends": "2026-06-14T12:00:00.000000Z", "token": "t:1"}', '2026-06-15 12:00:00+00', NULL, '0', NULL, NULL);
INSERT INTO sexton.outbox_events (id, key, event_type, recipient, payload, created_at, published_at, attempt_count, last_attempted_at, last_error)
VALUES ('17', 'policies.tokens_closed:transition:t~001:2026-06-14T12:00:00.000000Z', 'token_closed', NULL, '{"ends": "2026-06-14T12:00:00.000000Z", "token": "t~01"}', '2026-06-15 12:00:00+00', NULL, '0', NULL, NULL);
INSERT INTO sexton.outbox_events (id, key, event_type, recipient, payload, created_at, published_at, attempt_count, last_attempted_at, last_error)
VALUES ('18', 'policies.tokens_closed:transition:t~01:2026-06-14T12:00:00.000000Z', 'token_closed', NULL, '{"ends": "2026-06-14T12:00:00.000000Z", "token": "t~1"}', '2026-06-15 12:00:00+00', NULL, '0', NULL, NULL);
INSERT INTO sexton.outbox_events (id, key, event_type, recipient, payload, created_at, published_at, attempt_count, last_attempted_at, last_error)
VALUES ('2', 'policies.seats_over:warn:a:b~1c:2026-06-14T12:00:00.000000Z', 'seats_over', NULL, '{"ends": "2026-06-14T12:00:00.000000Z", "hall": "a", "place": "b:c"}', '2026-06-15 12:00:00+00', NULL, '0', NULL, NULL);
INSERT INTO sexton.outbox_events (id, key, event_type, recipient, payload, created_at, published_at, attempt_count, last_attempted_at, last_error)
VALUES ('3', 'policies.seats_over:warn:a,b:c:2026-06-14T12:00:00.000000Z', 'seats_over', NULL, '{"ends": "2026-06-14T12:00:00.000000Z", "hall": "a,b", "place": "c"}', '2026-06-15 12:00:00+00', NULL, '0', NULL, NULL);
INSERT INTO sexton.outbox_events (id, key, event_type, recipient, payload, created_at, published_at, attempt_count, last_attempted_at, last_error)
VALUES ('4', 'policies.seats_over:warn:a~1b:c:2026-06-14T12:00:00.000000Z', 'seats_over', NULL, '{"ends": "2026-06-14T12:00:00.000000Z", "hall": "a:b", "place": "c"}', '2026-06-15 12:00:00+00', NULL, '0', NULL, NULL);
INSERT INTO sexton.outbox_events (id, key, event_type, recipient, payload, created_at, published_at, attempt_count, last_attempted_at, last_error)
VALUES ('5', 'policies.seats_over:warn:a~00b:c:2026-06-14T12:00:00.000000Z', 'seats_over', NULL, '{"ends": "2026-06-14T12:00:00.000000Z", "hall": "a~0b", "place": "c"}', '2026-06-15 12:00:00+00', NULL, '0', NULL, NULL);
INSERT INTO sexton.outbox_events (id, key, event_type, recipient, payload, created_at, published_at, attempt_count, last_attempted_at, last_error)
VALUES ('6', 'policies.seats_over:warn:a~0b:c:2026-06-14T12:00:00.000000Z', 'seats_over', NULL, '{"ends": "2026-06-14T12:00:00.000000Z", "hall": "a~b", "place": "c"}', '2026-06-15 12:00:00+00', NULL, '0', NULL, NULL);
INSERT INTO sexton.outbox_events (id, key, event_type, recipient, payload, created_at, published_at, attempt_count, last_attempted_at, last_error)
VALUES ('7', 'policies.seats_over:warn:plain:text:2026-06-14T12:00:00.000000Z', 'seats_over', NULL, '{"ends": "2026-06-14T12:00:00.000000Z", "hall": "plain", "place": "text"}', '2026-06-15 12:00:00+00', NULL, '0', NULL, NULL);
INSERT INTO sexton.outbox_events (id, key, event_type, recipient, payload, created_at, published_at, attempt_count, last_attempted_at, last_error)
VALUES ('8', 'policies.bills_over:warn:1:2026-06-14T12:00:00.000000Z', 'bills_over', NULL, '{"id": 1, "ends": "2026-06-14T12:00:00.000000Z"}', '2026-06-15 12:00:00+00', NULL, '0', NULL, NULL);
INSERT INTO sexton.outbox_events (id, key, event_type, recipient, payload, created_at, published_at, attempt_count, last_attempted_at, last_error)
VALUES ('9', 'policies.bills_over:warn:2:2026-06-14T12:00:00.000000Z', 'bills_over', NULL, '{"id": 2, "ends": "2026-06-14T12:00:00.000000Z"}', '2026-06-15 12:00:00+00', NULL, '0', NULL, NULL);
INSERT INTO sexton.poison (job, step, subject, error, attempts, run_id, first_seen_at, last_seen_at, next_at)
VALUES ('policies.codes_gone', 'codes_gone', 'x:1', '23514: check_violation', '1', '5', '2026-06-15 12:00:00+00', '2026-06-15 12:00:00+00', '2026-06-15 13:00:00+00');
INSERT INTO sexton.poison (job, step, subject, error, attempts, run_id, first_seen_at, last_seen_at, next_at)
VALUES ('policies.codes_gone', 'codes_gone', 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx~5130b33e6b87fbf5316ed9049e98924eb110800bcbaaad8050f642fba6df37c9', '23514: check_violation', '1', '5', '2026-06-15 12:00:00+00', '2026-06-15 12:00:00+00', '2026-06-15 13:00:00+00');
INSERT INTO sexton.poison (job, step, subject, error, attempts, run_id, first_seen_at, last_seen_at, next_at)
VALUES ('policies.codes_gone', 'codes_gone', 'x~1', '23514: check_violation', '1', '5', '2026-06-15 12:00:00+00', '2026-06-15 12:00:00+00', '2026-06-15 13:00:00+00');
INSERT INTO sexton.poison (job, step, subject, error, attempts, run_id, first_seen_at, last_seen_at, next_at)
VALUES ('policies.places_gone', 'places_gone', 'x,a~1b', '23514: check_violation', '1', '4', '2026-06-15 12:00:00+00', '2026-06-15 12:00:00+00', '2026-06-15 13:00:00+00');
INSERT INTO sexton.poison (job, step, subject, error, attempts, run_id, first_seen_at, last_seen_at, next_at)
VALUES ('policies.places_gone', 'places_gone', 'x~0,c', '23514: check_violation', '1', '4', '2026-06-15 12:00:00+00', '2026-06-15 12:00:00+00', '2026-06-15 13:00:00+00');
INSERT INTO sexton.poison (job, step, subject, error, attempts, run_id, first_seen_at, last_seen_at, next_at)
VALUES ('policies.places_gone', 'places_gone', 'x,plain', '23514: check_violation', '1', '4', '2026-06-15 12:00:00+00', '2026-06-15 12:00:00+00', '2026-06-15 13:00:00+00');
INSERT INTO sexton.poison (job, step, subject, error, attempts, run_id, first_seen_at, last_seen_at, next_at)
VALUES ('policies.places_gone', 'places_gone', 'x~1a,b', '23514: check_violation', '1', '4', '2026-06-15 12:00:00+00', '2026-06-15 12:00:00+00', '2026-06-15 13:00:00+00');
INSERT INTO sexton.armed (policy, definition, armed_at, armed_by, allowed, tables)
VALUES ('bills_over', '0bbdd6d91039990a', '2026-11-29 12:11:18.474798+00', 'me@host', NULL, '{"place": "7713564877604067499/5", "tables": {"bills": ["public.bills", 16393]}}');
INSERT INTO sexton.armed (policy, definition, armed_at, armed_by, allowed, tables)
VALUES ('codes_gone', '1460aa4fb71af221', '2026-11-29 12:11:21.071813+00', 'me@host', NULL, '{"place": "7713564877604067499/5", "tables": {"codes": ["public.codes", 16416]}}');
INSERT INTO sexton.armed (policy, definition, armed_at, armed_by, allowed, tables)
VALUES ('orders_kept', 'a08490189b36aae5', '2026-11-29 12:11:22.096847+00', 'me@host', NULL, '{"place": "7713564877604067499/5", "tables": {"orders": ["public.orders", 16424], "items": ["public.items", 16432]}}');
INSERT INTO sexton.armed (policy, definition, armed_at, armed_by, allowed, tables)
VALUES ('places_gone', '934effe34cc77881', '2026-11-29 12:11:20.212391+00', 'me@host', NULL, '{"place": "7713564877604067499/5", "tables": {"places": ["public.places", 16407]}}');
INSERT INTO sexton.armed (policy, definition, armed_at, armed_by, allowed, tables)
VALUES ('seats_over', '9f9ac0203c0dc559', '2026-11-29 12:11:17.688724+00', 'me@host', NULL, '{"place": "7713564877604067499/5", "tables": {"seats": ["public.seats", 16384]}}');
INSERT INTO sexton.armed (policy, definition, armed_at, armed_by, allowed, tables)
VALUES ('tokens_closed', '7fcd583e0d813761', '2026-11-29 12:11:19.307236+00', 'me@host', NULL, '{"place": "7713564877604067499/5", "tables": {"tokens": ["public.tokens", 16399]}}');
INSERT INTO sexton.archives (file, job, run_id, rows, deleted, sha256, size, created_at, finished_at, waiting)
VALUES ('orders_kept-20260615T120000Z-run6-0001-cecbb1.jsonl.gz', 'policies.orders_kept', '6', '5', '5', 'c1fb70e293f29eba3ee68045a7154f8b113e1e00a310cc4fd24d73e7db12f9d8', '212', '2026-11-29 12:11:27.84665+00', '2026-11-29 12:11:27.866645+00', NULL);
SELECT setval(pg_get_serial_sequence('sexton.runs', 'id'), 1000);
SELECT setval(pg_get_serial_sequence('sexton.outbox_events', 'id'), 1000);
SELECT setval(pg_get_serial_sequence('sexton.schedules_audit', 'id'), 1000);
SELECT setval(pg_get_serial_sequence('sexton.incidents', 'id'), 1000);
SELECT setval(pg_get_serial_sequence('sexton.alerts', 'id'), 1000);
