use super::*;

#[test]
fn every_flag_has_an_environment_variable() {
    use clap::CommandFactory;
    let cli = Cli::command();
    let flags: Vec<_> = ["run", "release"]
        .iter()
        .flat_map(|name| cli.find_subcommand(name).expect("a command").get_arguments())
        .filter(|flag| flag.get_id() != "help")
        .collect();
    assert!(flags.len() >= 22);
    for flag in flags {
        let variable = flag
            .get_env()
            .unwrap_or_else(|| panic!("{} has none", flag.get_id()));
        let long = flag
            .get_long()
            .expect("a long name")
            .to_uppercase()
            .replace('-', "_");
        assert_eq!(
            variable.to_str(),
            Some(format!("DOCSPACE_BACKUP_{long}").as_str())
        );
    }
}

#[test]
fn an_interval_is_a_duration_within_bounds() {
    assert_eq!(interval("90s"), Ok(Duration::from_secs(90)));
    for text in ["", "15", "59s", "25h", "-15m", "22 ns", "99999999999999999999h"] {
        assert!(interval(text).is_err(), "{text}");
    }
}

#[test]
fn a_timeout_is_a_duration_within_bounds() {
    assert_eq!(timeout("90s"), Ok(Duration::from_secs(90)));
    for text in ["", "15", "0s", "999ms", "-1m", "61m"] {
        assert!(timeout(text).is_err(), "{text}");
    }
}

#[test]
fn release_stops_a_deployment_or_says_that_it_stops_none() {
    let accepted = |flags: &[&str]| Cli::try_parse_from([&["operator", "release"], flags].concat()).is_ok();
    assert!(accepted(&["--deployment=operator"]));
    assert!(accepted(&["--objects-only", "--namespace=b"]));
    assert!(!accepted(&["--namespace=b"]));
    assert!(!accepted(&["--objects-only", "--deployment=operator"]));
    assert!(!accepted(&["--objects-only", "--all-namespaces"]));
    assert!(!accepted(&[
        "--deployment=operator",
        "--yes",
        "--helm-release=operator"
    ]));
}

#[test]
fn a_selector_is_read_at_the_start() {
    let parsed = |value: &str| Cli::try_parse_from(["operator", "run", "--selector", value]);
    // As an empty environment variable.
    for value in ["", "shard in (a,b),!test"] {
        assert!(parsed(value).is_ok(), "{value}");
    }
    let said = parsed("shard in a").expect_err("no selector").to_string();
    assert!(
        said.contains("'--selector <LABELS>'") && said.contains("write for example"),
        "{said}"
    );
}

/// What the flag allows, in order.
fn allowed(values: &[&str]) -> Option<Vec<String>> {
    let flags = values.iter().map(|value| format!("--allowed-origin={value}"));
    let words = ["operator", "run"].map(Into::into).into_iter().chain(flags);
    let Command::Run(args) = Cli::try_parse_from(words).ok()?.command else {
        return None;
    };
    Some(
        args.origins
            .allowed_origins
            .iter()
            .map(ToString::to_string)
            .collect(),
    )
}

#[test]
fn an_allowed_origin_is_an_entry_as_in_the_annotation() {
    let (docs, router) = (
        "https://docs.example.com",
        "http://router.docspace.svc:8092 docs.example.com",
    );
    let both = Some(vec![docs.to_owned(), router.to_owned()]);
    assert_eq!(allowed(&["HTTPS://Docs.example.com:443/", router]), both);
    // As in the environment variable.
    assert_eq!(allowed(&[&format!("{docs}, {router}")]), both);
    // An empty one would mean any origin.
    for wrong in [
        "",
        " ",
        "https://docs.example.com,",
        "https://docs.example.com/portal",
        "docs.example.com",
    ] {
        assert_eq!(allowed(&[wrong]), None, "{wrong}");
    }
}

#[test]
fn imported_objects_have_names_that_kubernetes_accepts() {
    let accepted = |flag: &str, name: &str| {
        let words = ["operator", "import", "--url=https://a.test", "--api-key-file=key"];
        Cli::try_parse_from([&words[..], &[flag, name]].concat()).is_ok()
    };
    let longest = "n".repeat(240);
    assert!(accepted("--name", &longest) && !accepted("--name", &format!("{longest}n")));
    assert!(!accepted("--name", "a#") && !accepted("--namespace", "a.b"));
}

#[test]
fn checked_objects_have_names_that_kubernetes_accepts() {
    let accepted = |words: &[&str]| Cli::try_parse_from([&["operator", "check"], words].concat()).is_ok();
    assert!(accepted(&["nightly", "weekly", "-n", "b"]));
    assert!(!accepted(&["nightly#"]));
    assert!(!accepted(&["nightly", "-n", "b/dsbs/nightly#"]));
}
