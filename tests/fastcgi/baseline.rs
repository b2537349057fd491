//! The crate `fastcgi` 1.0.0 in the same cases: what it fails is written down here, and this test fails when that is not
//! true any more, in either direction.

use hearth::service::threads::contain;

use super::cases::CASES;
use super::child::Kind;

/// Cases that the crate fails, and how.
const FAILS: &[(&str, &str)] = &[
    ("three_hundred_idle_connections_cost_no_threads", "a thread for each"),
    ("values_may_be_any_bytes", "loses that variable and all after it"),
    ("the_end_of_a_kept_connection_is_no_event", "the thread panics"),
    ("eight_thousand_parameters_are_refused_or_read", "the stack overflows and the process aborts"),
    ("a_length_of_two_gigabytes_is_refused_without_taking_memory", "tries to read them"),
    ("running_out_of_descriptors_at_accept_is_survived", "the service ends"),
    ("a_record_of_another_version_ends_that_connection_alone", "the thread panics"),
    ("a_begin_shorter_than_eight_bytes_ends_that_connection_alone", "waits for more, or the thread panics"),
    ("a_truncated_record_ends_that_connection_alone", "the thread panics"),
    ("two_requests_interleaved_on_one_connection_are_both_answered", "refuses the second"),
    ("a_duplicate_id_never_mixes_two_requests", "ends the one that is arriving"),
    ("many_names_in_get_values_are_answered", "the result's length overflows and the stream is corrupt"),
    ("an_abort_while_parameters_arrive_never_reaches_the_application", "calls it without parameters"),
    ("the_list_of_web_servers_does_not_count_on_a_unix_socket", "refuses every peer"),
    ("a_web_server_that_is_not_on_the_list_is_refused_at_once", "the refused peer keeps accept waiting"),
    ("an_fd_0_that_is_no_socket_is_an_error_and_no_panic", "panics"),
    ("a_panic_in_the_application_is_an_error_of_its_request_alone", "ends the connection without an answer"),
];

#[test]
fn the_crate_fails_exactly_the_cases_that_are_written_down() {
    let (mut wrong, mut told) = (Vec::new(), String::new());
    std::thread::scope(|scope| {
        let runs: Vec<_> =
            CASES.iter().map(|(name, case)| (name, scope.spawn(|| contain(|| case(Kind::Crate))))).collect();
        for (name, run) in runs {
            let result = run.join().expect("contained");
            let expected = FAILS.iter().find(|(failing, _)| failing == name);
            told.push_str(&format!("{name}: {}\n", result.as_ref().err().map_or("passes", String::as_str)));
            if expected.is_some() == result.is_ok() {
                wrong.push(*name);
            }
        }
    });
    println!("{told}");
    assert!(wrong.is_empty(), "the table is wrong for {wrong:?}");
    let unknown: Vec<_> = FAILS.iter().filter(|(name, _)| CASES.iter().all(|(case, _)| case != name)).collect();
    assert!(unknown.is_empty(), "no such case: {unknown:?}");
}
