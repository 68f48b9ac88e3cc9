"""The loop of a roll-up's step in PL/pgSQL, with `{names}` where its statements stand; filled by `rollup_text`.

As `step_template`: COMMIT, the handler around a transaction, and the statements; what decides is in functions.
"""

from __future__ import annotations

ROLLUP_VARIABLES = (
    "w sexton.rollup_walk_v1;  -- a roll-up: its mark, and the way through its windows",
    "w_before sexton.rollup_walk_v1;",
    "v_before sexton.procedure_run_v1;",
    "v_rows_from timestamptz;  -- of the rows of a window",
    "v_rows_to timestamptz;",
    "v_window_start timestamptz;",
    "v_window_end timestamptz;",
    "v_since timestamptz;",
    "v_careful boolean;  -- whether sums stay where no row is left",
    "v_groups bigint;",
    "v_lines jsonb;",
    "v_event text;",
    "v_key text;",
    "v_payload jsonb;",
)
"""Of all roll-ups, beside those of all steps."""

ROLLUP_LOOP = """\
-- step {number}: {step}
v := sexton.begin_rollup_step_v1(v, {index});
WHILE v.phase <> 'done' LOOP
    v_before := v;  -- variables keep their values when the transaction does not
    w_before := w;
    BEGIN
        v := sexton.begin_windows_v1(v);
        IF v.phase = 'open' THEN
            w := sexton.begin_rollup_v1(v);
            IF w.asks THEN
                {oldest}
                INTO w.oldest;
                {first_kept}
                INTO w.found;
                v_window_start := w.oldest;
                {kept_before}
                INTO w.kept;
            END IF;
            w := sexton.opened_rollup_v1(w);
            v.phase := CASE WHEN w.until IS NULL THEN 'done' ELSE 'windows' END;
        ELSIF v.phase = 'windows' THEN
            FOR v_number IN 1..v.size LOOP
                IF w.next_at < w.changed_to THEN
                    v_rows_from := w.next_at;
                    v_rows_to := w.changed_to;
                    v_since := coalesce(w.looked_at, w.begins_at) - interval '1 hour';
                    {changed}
                    w := sexton.to_changed_v1(w);
                END IF;
                w := sexton.next_window_v1(w);
                EXIT WHEN w.finished;
                v_rows_from := w.window_start;
                v_rows_to := w.window_end;
                v_window_start := w.window_start;
                v_window_end := w.window_end;
                v_careful := w.is_careful;
                {window}
                v := sexton.count_window_v1(v, v_groups, coalesce(w.is_told, false), 1);
                w := sexton.behind_window_v1(w, v_groups);
                IF w.passing THEN
                    v_rows_from := w.next_at;
                    {first_row}
                    INTO w.found;
                    w := sexton.to_row_v1(w);
                    {until_kept}
                    w := sexton.pass_v1(w);
                    IF w.stretch_start < w.stretch_end THEN
                        v_window_start := w.stretch_start;
                        v_window_end := w.stretch_end;
                        {clear};
                        GET DIAGNOSTICS v_groups = ROW_COUNT;
                        v := sexton.count_window_v1(v, v_groups, false, 0);
                    END IF;
                END IF;
                EXIT WHEN clock_timestamp() > v.began + interval '0.25 s';
            END LOOP;
            SET CONSTRAINTS ALL IMMEDIATE;
            w := sexton.move_mark_v1(w);
            v := sexton.count_windows_v1(v, w);
        ELSE
            v_rows_from := w.audit_start;
            v_rows_to := w.audit_end;
            v_window_start := w.audit_start;
            v_window_end := w.audit_end;
            v_careful := w.is_audit_careful;
            {differing}
            INTO v_groups;
            IF v_groups > 0 AND w.audit_since IS NOT NULL THEN  -- what was changed since then, the next run brings in
                v_since := w.audit_since;
                {changed}
                v_groups := CASE WHEN w.found IS NULL THEN v_groups ELSE 0 END;
            END IF;
            v := sexton.audited_v1(v, w, v_groups);
        END IF;
        v := sexton.end_batch_v1(v);
    EXCEPTION WHEN query_canceled OR OTHERS THEN
        GET STACKED DIAGNOSTICS v_state = RETURNED_SQLSTATE, v_words = MESSAGE_TEXT,
            v_constraint = CONSTRAINT_NAME, v_context = PG_EXCEPTION_CONTEXT;
        w_before.window_start := w.window_start;
        w_before.window_end := w.window_end;
        w := w_before;
        v := sexton.answer_rollup_v1(v_before, w, v_state, v_words, v_constraint, v_context);
    END;
    COMMIT;
    {session};
    {resting}
END LOOP;
v := sexton.finish_rollup_v1(v);
COMMIT;
{session};"""
"""One step: some windows a transaction, the mark with them; then the look at an old one."""

SILENT_WINDOW = """\
{write}
INTO v_groups;"""
"""One window of which nothing is told."""

TOLD_WINDOW = """\
w.is_told := sexton.is_window_told_v1(w);
{write}
INTO v_groups, v_lines;
v_taken := v_groups;
IF NOT w.is_told AND w.is_news THEN
    {kept}
    INTO v_taken, v_lines;
END IF;
w := sexton.tell_window_v1(w, v_now, v_groups, v_taken, v_lines);
IF w.is_told THEN
    v_event := w.event;
    v_key := w.key;
    v_payload := w.payload;
    {send};
END IF;"""
"""One window that is told: its sums once, and later what is to be added to them."""

UNTIL_KEPT = """\
v_window_start := greatest(w.next_at, w.kept_to);
{next_kept}
INTO w.found;
w := sexton.to_kept_v1(w);"""
"""Where windows are told: sums without rows are not passed over."""
