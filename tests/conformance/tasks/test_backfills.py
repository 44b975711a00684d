"""What backfills ask of a store, on every variant; ``tests/integration/tasks/test_backfills.py`` has the rest."""

from __future__ import annotations

from tests.integration.tasks.test_backfills import (  # noqa: F401 - collected here, with the variant's fixtures
    test_a_creator_that_dies_leaves_nothing_behind,
    test_cancel_leaves_what_runs_and_what_is_done,
    test_done_windows_are_trained_anew_in_their_turn_and_kept_if_it_does_not_come,
    test_it_goes_through_all_windows_a_few_at_a_time,
    test_killed_between_two_writes,
    test_newest_first,
    test_pause_holds_what_waits_and_resume_goes_on_in_order,
    test_progress_rate_and_expected_end,
    test_two_creators_at_once_share_the_windows,
)
