//! What a responder meets in practice, one case each: run against Hearth here, and against the crate `fastcgi` in
//! `baseline.rs`. `tests/data/gateway.tsv` has the observations they stand for.

use super::bytes::{
    ABORT, BEGIN, Client, END, GET_VALUES, GET_VALUES_RESULT, PARAMS, STDIN, begin, pairs, record, record_of, request,
    stream, variables,
};
use super::child::{Kind, Options, Target};

/// Defines cases: a function each, a test of Hearth each, and the table of all.
macro_rules! cases {
    ($(fn $name:ident($kind:ident) $body:block)*) => {
        /// Every case by its name.
        pub(crate) const CASES: &[(&str, fn(Kind))] = &[$((stringify!($name), $name)),*];

        $(fn $name($kind: Kind) $body)*

        mod hearth {
            use super::Kind;
            $(#[test] fn $name() { super::$name(Kind::Hearth); })*
        }
    };
}

/// Asks for the plainest of pages and expects it.
fn is_well(client: &mut Client) {
    assert_eq!(client.ask("GET", "/hello", b"").text(), "hello\n");
}

/// That neither process nor thread has come to harm, while the case itself still has `open` connections.
fn is_unharmed(target: &mut Target, open: u64) {
    is_well(&mut target.client());
    if target.kind == Kind::Crate {
        // Its threads notice the end of their connections some time later: the test runner's two and one for each.
        target.wait_for("the threads of ended connections", || target.figure("Threads:") <= 2 + open);
    }
    assert_eq!(target.ended(), None, "the process has ended");
    assert!(!target.log().contains("panicked"), "a thread panicked: {}", target.log());
}

/// A request that is sent whole except for its end, so that it is in progress.
fn all_but_the_end(id: u16, path: &str) -> Vec<u8> {
    let mut bytes = begin(id, true);
    bytes.extend(stream(PARAMS, id, &pairs(&variables("POST", path, 4))));
    bytes.extend(record(STDIN, id, b"bo"));
    bytes
}

cases! {
    fn a_request_is_answered_and_its_connection_kept(kind) {
        let target = Target::start(kind);
        let mut client = target.client();
        for _ in 0..3 {
            is_well(&mut client);
        }
    }

    fn a_body_comes_back_as_it_was_sent(kind) {
        let body = super::fixture::pattern(200_000);
        assert_eq!(Target::start(kind).client().ask("POST", "/echo", &body).body, body);
    }

    fn an_answer_of_a_megabyte_is_whole(kind) {
        let answer = Target::start(kind).client().ask("GET", "/bytes?1000000", b"");
        assert_eq!(answer.body, super::fixture::pattern(1_000_000));
    }

    fn a_request_in_the_four_writes_of_apache_is_answered(kind) {
        let target = Target::start(kind);
        let mut client = target.client();
        for _ in 0..3 {
            client.send(&begin(1, true));
            client.send(&record(PARAMS, 1, &pairs(&variables("GET", "/hello", 0))));
            client.send(&record(PARAMS, 1, b""));
            client.send(&record(STDIN, 1, b""));
            assert_eq!(client.answer(1).text(), "hello\n");
        }
    }

    fn a_body_that_comes_after_an_early_answer_is_dropped_and_the_connection_goes_on(kind) {
        let target = Target::start(kind);
        let mut client = target.client();
        for _ in 0..2 {
            let length = 600_000;
            client.send(&begin(1, true));
            client.send(&stream(PARAMS, 1, &pairs(&variables("POST", "/early", length))));
            assert_eq!(client.answer(1).status, 413);
            client.send(&stream(STDIN, 1, &vec![b'x'; length]));
        }
        is_well(&mut client);
    }

    fn a_body_that_comes_after_an_early_answer_is_taken_although_the_connection_ends(kind) {
        let target = Target::start(kind);
        let mut client = target.client();
        client.send(&begin(1, false));
        client.send(&stream(PARAMS, 1, &pairs(&variables("POST", "/early", 600_000))));
        assert_eq!(client.answer(1).status, 413);
        client.try_send(&stream(STDIN, 1, &vec![b'x'; 600_000])).expect("what Apache still sends is taken");
        assert!(client.is_ended());
    }

    fn a_request_that_is_begun_anew_after_an_early_answer_is_answered(kind) {
        let target = Target::start(kind);
        let mut client = target.client();
        client.send(&begin(1, true));
        client.send(&stream(PARAMS, 1, &pairs(&variables("POST", "/early", 600_000))));
        assert_eq!(client.answer(1).status, 413);
        client.send(&record(STDIN, 1, b"the rest never comes"));
        is_well(&mut client);
    }

    fn sixteen_idle_connections_do_not_keep_a_new_one_waiting(kind) {
        let target = Target::start(kind);
        let mut kept: Vec<Client> = (0..16).map(|_| target.client()).collect();
        kept.iter_mut().for_each(is_well);
        is_well(&mut target.client());
        kept.iter_mut().for_each(is_well);
    }

    fn three_hundred_idle_connections_cost_no_threads(kind) {
        let target = Target::start(kind);
        let mut kept: Vec<Client> = (0..300).map(|_| target.client()).collect();
        kept.iter_mut().for_each(is_well);
        let threads = target.figure("Threads:");
        assert!(threads < 20, "{threads} threads");
    }

    fn values_may_be_any_bytes(kind) {
        let mut list = variables("GET", "/params", 0);
        list.push(("HTTP_USER_AGENT".to_owned(), b"caf\xe9".to_vec()));
        list.push(("HTTP_X_AUTH_TOKEN".to_owned(), b"token".to_vec()));
        let target = Target::start(kind);
        let mut client = target.client();
        client.send(&[begin(1, true), stream(PARAMS, 1, &pairs(&list)), stream(STDIN, 1, b"")].concat());
        let body = client.answer(1).body;
        let has = |line: &[u8]| body.windows(line.len()).any(|window| window == line);
        assert!(has(b"HTTP_X_AUTH_TOKEN=token\n"), "the token is lost");
        assert!(has(b"HTTP_USER_AGENT=caf\xe9\n"), "the value is changed");
    }

    fn the_end_of_a_kept_connection_is_no_event(kind) {
        let mut target = Target::start(kind);
        is_well(&mut target.client());
        drop(target.client());
        is_unharmed(&mut target, 0);
    }

    fn eight_thousand_parameters_are_refused_or_read(kind) {
        let mut target = Target::start(kind);
        let mut client = target.client();
        let mut list = variables("GET", "/param-count", 0);
        list.extend((0..8_100).map(|n| (format!("HTTP_X_{n}"), b"v".to_vec())));
        client.send(&[begin(1, true), stream(PARAMS, 1, &pairs(&list)), stream(STDIN, 1, b"")].concat());
        let answer = client.answer(1);
        assert!(answer.status == 431 || answer.text() == list.len().to_string(), "{}", answer.status);
        is_unharmed(&mut target, 1);
    }

    fn a_length_of_two_gigabytes_is_refused_without_taking_memory(kind) {
        let mut target = Target::start(kind);
        let mut client = target.client();
        let name = [&[0x04, 0xff, 0xff, 0xff, 0xff], &b"LONG"[..]].concat();
        client.send(&[begin(1, true), record(PARAMS, 1, &name), record(PARAMS, 1, b"")].concat());
        assert_eq!(client.answer(1).status, 431);
        let peak = target.figure("VmPeak:");
        assert!(peak < 1_500_000, "{peak} kB of address space");
        is_unharmed(&mut target, 1);
    }

    fn a_pair_split_over_two_records_is_read(kind) {
        let target = Target::start(kind);
        let mut client = target.client();
        let list = pairs(&variables("GET", "/hello", 0));
        for cut in [1, 2, 10, list.len() / 2, list.len() - 1] {
            let (first, second) = list.split_at(cut);
            client.send(&[begin(1, true), record(PARAMS, 1, first)].concat());
            client.send(&[record(PARAMS, 1, second), record(PARAMS, 1, b""), record(STDIN, 1, b"")].concat());
            assert_eq!(client.answer(1).text(), "hello\n", "cut at {cut}");
        }
    }

    fn running_out_of_descriptors_at_accept_is_survived(kind) {
        let mut target = Target::start_with(kind, Options { descriptors: Some(40), ..Options::default() });
        let mut clients: Vec<Client> = (0..80).map(|_| target.client()).collect();
        is_well(&mut clients[0]);
        clients.drain(..60);
        // Those that waited in the kernel are served now that others have gone.
        clients.iter_mut().for_each(is_well);
        drop(clients);
        is_unharmed(&mut target, 0);
    }

    fn a_record_of_another_version_ends_that_connection_alone(kind) {
        let mut target = Target::start(kind);
        let (mut good, mut bad) = (target.client(), target.client());
        is_well(&mut good);
        bad.send(&record_of(2, BEGIN, 1, &[0, 1, 1, 0, 0, 0, 0, 0], 0));
        assert!(bad.is_ended());
        is_well(&mut good);
        is_unharmed(&mut target, 1);
    }

    fn a_begin_shorter_than_eight_bytes_ends_that_connection_alone(kind) {
        let mut target = Target::start(kind);
        let mut good = target.client();
        is_well(&mut good);
        for length in 0..8 {
            let mut bad = target.client();
            bad.send(&record(BEGIN, 1, &[0, 1, 1, 0, 0, 0, 0, 0][..length]));
            assert!(bad.is_ended(), "a body of {length} bytes");
        }
        is_well(&mut good);
        is_unharmed(&mut target, 1);
    }

    fn a_truncated_record_ends_that_connection_alone(kind) {
        let mut target = Target::start(kind);
        let mut good = target.client();
        is_well(&mut good);
        let whole = request(1, true, "POST", "/echo", b"body");
        for cut in 1..whole.len() {
            target.client().send(&whole[..cut]);
        }
        is_well(&mut good);
        is_unharmed(&mut target, 1);
    }

    fn two_requests_interleaved_on_one_connection_are_both_answered(kind) {
        let target = Target::start(kind);
        let mut client = target.client();
        let (one, two) = (pairs(&variables("POST", "/echo", 3)), pairs(&variables("POST", "/echo", 4)));
        client.send(&[begin(1, true), record(PARAMS, 1, &one[..5]), begin(2, true)].concat());
        client.send(&[record(PARAMS, 2, &two), record(PARAMS, 1, &one[5..]), record(PARAMS, 2, b"")].concat());
        client.send(&[record(STDIN, 2, b"tw"), record(PARAMS, 1, b""), stream(STDIN, 1, b"one")].concat());
        client.send(&[record(STDIN, 2, b"o!"), record(STDIN, 2, b"")].concat());
        assert_eq!(client.answer(1).text(), "one");
        assert_eq!(client.answer(2).text(), "two!");
    }

    fn a_duplicate_id_never_mixes_two_requests(kind) {
        let mut target = Target::start(kind);
        let mut client = target.client();
        client.send(&[begin(1, true), record(PARAMS, 1, &pairs(&[("REQUEST_URI", "/params")]))].concat());
        client.send(&[begin(1, true), stream(PARAMS, 1, &pairs(&[("SECOND", "yes")])), stream(STDIN, 1, b"")].concat());
        if let Some(answer) = client.try_answer(1) {
            panic!("answered with {:?}", answer.text());
        }
        is_unharmed(&mut target, 1);
    }

    fn many_names_in_get_values_are_answered(kind) {
        let target = Target::start(kind);
        let mut client = target.client();
        let names = vec![("FCGI_MAX_REQS", ""); 4_300];
        client.send(&record(GET_VALUES, 0, &pairs(&names)));
        let result = client.record().expect("a result");
        assert_eq!((result.kind, result.id), (GET_VALUES_RESULT, 0));
        assert!(result.content.starts_with(b"\x0d"), "FCGI_MAX_REQS comes first");
        is_well(&mut client);
    }

    fn multiplexing_is_told_truthfully(kind) {
        let target = Target::start(kind);
        let mut client = target.client();
        client.send(&record(GET_VALUES, 0, &pairs(&[("FCGI_MPXS_CONNS", "")])));
        let told = client.record().expect("a result").content;
        client.send(&[all_but_the_end(1, "/echo"), request(2, true, "GET", "/hello", b"")].concat());
        let second = client.answer(2);
        let multiplexes = second.protocol_status == 0 && second.text() == "hello\n";
        assert_eq!(told, pairs(&[("FCGI_MPXS_CONNS", if multiplexes { "1" } else { "0" })]));
    }

    fn an_abort_while_parameters_arrive_never_reaches_the_application(kind) {
        let mut target = Target::start(kind);
        let mut client = target.client();
        client.send(&[begin(1, true), record(PARAMS, 1, &pairs(&[("REQUEST_URI", "/hello")])[..4])].concat());
        client.send(&record(ABORT, 1, b""));
        let end = client.record().expect("an end");
        assert_eq!((end.kind, end.id), (END, 1), "the application was called");
        is_well(&mut client);
        is_unharmed(&mut target, 1);
    }

    fn two_hundred_megabytes_of_body_are_not_held_in_memory(kind) {
        let target = Target::start(kind);
        let mut client = target.client();
        let length = 200_000_000;
        client.send(&[begin(1, true), stream(PARAMS, 1, &pairs(&variables("POST", "/length", length)))].concat());
        let block = record(STDIN, 1, &vec![b'x'; 50_000]);
        for _ in 0..length / 50_000 {
            client.send(&block);
        }
        client.send(&record(STDIN, 1, b""));
        assert_eq!(client.answer(1).text(), format!("{length} arriving"));
        let peak = target.figure("VmHWM:");
        assert!(peak < 60_000, "{peak} kB resident");
    }

    fn three_hundred_megabytes_after_the_answer_are_not_held_in_memory(kind) {
        let target = Target::start(kind);
        let mut client = target.client();
        let length = 300_000_000;
        client.send(&[begin(1, true), stream(PARAMS, 1, &pairs(&variables("POST", "/early", length)))].concat());
        assert_eq!(client.answer(1).status, 413);
        let block = record(STDIN, 1, &vec![b'x'; 50_000]);
        for _ in 0..length / 50_000 {
            client.send(&block);
        }
        client.send(&record(STDIN, 1, b""));
        is_well(&mut client);
        let peak = target.figure("VmHWM:");
        assert!(peak < 60_000, "{peak} kB resident");
    }

    fn the_list_of_web_servers_does_not_count_on_a_unix_socket(kind) {
        let options = Options { web_server_addrs: Some("192.0.2.1"), ..Options::default() };
        is_well(&mut Target::start_with(kind, options).client());
    }

    fn a_web_server_that_is_on_the_list_is_served(kind) {
        let options = Options { web_server_addrs: Some("192.0.2.1,127.0.0.1"), tcp: true, ..Options::default() };
        is_well(&mut Target::start_with(kind, options).client());
    }

    fn a_web_server_that_is_not_on_the_list_is_refused_at_once(kind) {
        let options = Options { web_server_addrs: Some("192.0.2.1"), tcp: true, ..Options::default() };
        let target = Target::start_with(kind, options);
        let mut refused: Vec<Client> = (0..3).map(|_| target.client()).collect();
        assert!(refused.iter_mut().all(Client::is_ended));
    }

    fn an_fd_0_that_is_no_socket_is_an_error_and_no_panic(kind) {
        let mut target = Target::start_with(kind, Options { no_socket: true, ..Options::default() });
        assert!(!target.wait_for_end());
        assert!(!target.log().contains("panicked"), "{}", target.log());
    }

    fn a_panic_in_the_application_is_an_error_of_its_request_alone(kind) {
        let mut target = Target::start(kind);
        let mut client = target.client();
        assert_eq!(client.ask("GET", "/panic", b"").status, 500);
        is_well(&mut client);
        assert_eq!(target.log().lines().filter(|line| line.contains("panicked")).count(), 1);
        assert_eq!(target.ended(), None);
    }
}
