use super::*;

pub(crate) const TEXT: &str = r#"{"version":1,
    "headers":{"feature":"X-Feature","request_type":"x-type","user":"x-user","session":"x-session-id"},
    "body_limit":1024,"upload_idle_ms":20000,"idle_ms":660000,"explain":true,"spans":false,"log":"Off","cors":[],
    "pools":[{"name":"large","serves":"llama","names":["llama","chat"],"window":8192,"several":true},
             {"name":"small","serves":"qwen","names":["qwen"],"window":null,"several":false},
             {"name":"long","serves":"yarn","names":["yarn"],"window":131072,"several":false}],
    "routes":[{"name":"chat","models":["chat"],"features":["search"],"request_types":["batch"],"labelled":true,
      "budget":{"total_ms":500,"stages":["retrieval"]},
      "retry":{"server_error":true,"throttled":false},
      "rules":[{"name":"all","matches":[],"chain":[0,1,2],"buckets":[[0,900,0],[900,1000,1]],
        "attempts":ATTEMPTS,"stall_ms":60000,"stream":["s0","s1","s2","s3"],"whole":["w0"]}]}]}"#;

pub(crate) fn example(attempts: usize) -> Plan {
    Plan::read(TEXT.replace("ATTEMPTS", &attempts.to_string()).as_bytes()).unwrap()
}

#[test]
fn reads_what_the_operator_writes() {
    let plan = example(3);
    let rule = &plan.routes[0].rules[0];
    assert_eq!(plan.headers.feature, "x-feature");
    assert_eq!((plan.route_of(b"chat"), plan.route_of(b"llama")), (Some(0), None));
    assert_eq!((rule.pool(0), rule.pool(899), rule.pool(900)), (Some(0), Some(0), Some(1)));
    assert_eq!((rule.action(1, true), rule.action(1, false)), ("s1", "w0"));
    assert_eq!(Route::label(&plan.routes[0].features, Some(b"search")), 0);
    assert_eq!(Route::label(&plan.routes[0].features, Some(b"unknown")), 1);
}

#[test]
fn says_which_member_is_wrong() {
    let wrong = |from: &str, to: &str| {
        let text = TEXT.replace("ATTEMPTS", "3");
        assert!(text.contains(from));
        Plan::read(text.replacen(from, to, 1).as_bytes()).unwrap_err().0
    };
    assert_eq!(wrong("\"version\":1", "\"version\":2"), "version is not 1");
    assert_eq!(wrong("\"body_limit\":1024,", ""), "body_limit is missing");
    assert_eq!(
        wrong("\"chain\":[0,1,2]", "\"chain\":[0,3]"),
        "routes[0].rules[0].chain[1] is not a pool"
    );
    assert_eq!(wrong("\"Off\"", "\"Some\""), "log is not Off, Errors or All");
    assert_eq!(wrong("\"several\":true", "\"several\":1"), "pools[0].several is not a boolean");
    assert_eq!(
        wrong("\"chain\":[0,1,2]", "\"chain\":[1]"),
        "routes[0].rules[0].buckets[0] names a pool outside the chain"
    );
}

#[test]
fn the_log_of_errors_takes_what_the_access_log_filter_takes() {
    let taken = |log: Log| {
        [
            (200, Outcome::Ok),
            (200, Outcome::BrokenStream),
            (404, Outcome::Ok),
            (0, Outcome::Cancelled),
        ]
        .map(|(status, outcome)| log.takes(status, outcome))
    };
    assert_eq!(taken(Log::Off), [false; 4]);
    assert_eq!(taken(Log::Errors), [false, true, true, true]);
    assert_eq!(taken(Log::All), [true; 4]);
}

#[test]
fn a_rule_takes_requests_whose_budget_is_nearly_spent() {
    let late = r#""matches":[{"features":[],"request_types":[],"bytes_min":null,"bytes_max":null,"tools":null,
        "stream":null,"left_max_ms":150}]"#;
    let text = TEXT.replace("ATTEMPTS", "1").replace("\"matches\":[]", late);
    let plan = Plan::read(text.as_bytes()).unwrap();
    let takes = |left| plan.routes[0].rules[0].takes(&Facts { left, ..Facts::default() });
    assert_eq!(
        [Some(0), Some(150_000), Some(150_001), None].map(takes),
        [true, true, false, false]
    );
    let budget = plan.routes[0].budget.as_ref().unwrap();
    assert_eq!((budget.total, &budget.names[..]), (500_000, &["retrieval".to_owned()][..]));
}

#[test]
fn a_plan_holds_what_is_counted_under_its_names_and_no_other_does() {
    let of = |route: &str| {
        let text = TEXT.replace("ATTEMPTS", "1").replace("\"name\":\"chat\"", route);
        Plan::read(text.as_bytes()).unwrap()
    };
    let (mine, others) = (|| of("\"name\":\"adopts\""), || of("\"name\":\"others\""));
    let first = mine();
    let counted = first.series(0, 0, (0, 0), 0).clone();
    assert_eq!(counted.labels, ["adopts", "all", "large", "search", "batch"]);
    drop(first);
    assert_eq!(Arc::strong_count(&counted), 2, "the table, and this test");
    let second = mine();
    assert_eq!(Arc::strong_count(&counted), 3, "the new plan, before any request");
    assert!(Arc::ptr_eq(&counted, second.series(0, 0, (0, 0), 0)));
    drop(second);
    let _ = others();
    assert_eq!(Arc::strong_count(&counted), 2);
}
