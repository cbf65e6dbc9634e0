//! Settings from all their sources.

use super::*;

fn of(
    file: &str,
    environment: &[(&str, &str)],
    flags: &[(&'static str, &str)],
) -> Result<Settings, ConfigError> {
    Settings::of(Sources {
        flags: flags.iter().map(|(name, text)| (*name, (*text).to_owned())).collect(),
        environment: environment
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect(),
        file: (!file.is_empty()).then(|| (PathBuf::from("/etc/assay/assay.toml"), file.to_owned())),
    })
}

#[test]
fn nothing_needs_to_be_said() {
    let settings = of("", &[], &[]).expect("defaults");
    let (said, default) = (format!("{:?}", settings.server), format!("{:?}", Config::default()));
    assert_eq!(said, default, "the table of keys and the defaults of the program agree");
    assert_eq!(settings.data, PathBuf::from("./assay-data"));
    assert!(!settings.log.is_json);
}

#[test]
fn flags_go_before_environment_before_file() {
    let file = "listen = \"127.0.0.1:1\"\npublic_url = \"http://file\"\n[limits]\nmax_body = \"1MB\"";
    let environment =
        [("ASSAY_LISTEN", "127.0.0.1:2"), ("ASSAY_PUBLIC_URL", "http://environment"), ("ASSAY_GRPC", "")];
    let server = of(file, &environment, &[("listen", "127.0.0.1:3")]).expect("settings").server;
    assert_eq!(server.listen.port(), 3);
    assert_eq!(server.public_url.as_deref(), Some("http://environment"));
    assert_eq!(server.max_body, 1 << 20);
    assert_eq!(server.grpc, None, "an empty variable says nothing");
}

#[test]
fn paths_are_meant_from_where_they_are_written() {
    let data = |settings: Settings| settings.data;
    assert_eq!(data(of("data = \"store\"", &[], &[]).expect("file")), PathBuf::from("/etc/assay/store"));
    assert_eq!(data(of("data = \"/var/x\"", &[], &[]).expect("file")), PathBuf::from("/var/x"));
    assert_eq!(
        data(of("data = \"store\"", &[("ASSAY_DATA", "here")], &[]).expect("both")),
        PathBuf::from("here")
    );
}

#[test]
fn projects_have_policies_and_retention() {
    let file = r#"
        retention.default = "90d"
        [ingest]
        sample_rate = 0.5
        [ingest.redact]
        detectors = ["secrets"]
        [projects."my project"]
        retention = "off"
        [[projects."my project".rules]]
        name = "pings"
        filter = 'eq(name, "ping")'
        action = "drop"
        [[projects."my project".redact.patterns]]
        name = "employee"
        regex = 'E-\d+'
    "#;
    let server = of(file, &[], &[]).expect("settings").server;
    assert_eq!(server.retention, Some(Duration::from_secs(90 * 86_400)));
    assert_eq!(server.project_retention["my project"], None);
    assert_eq!(server.ingest.sample_rate, Some(0.5));
    assert_eq!(server.ingest.redact.detectors, ["secrets"]);
    let policy = &server.projects["my project"];
    assert_eq!((policy.rules.len(), policy.redact.patterns.len()), (1, 1));
}

#[test]
fn what_makes_no_sense_is_refused_with_a_way_out() {
    for (file, environment, said) in [
        ("listn = \"x\"", None, "did you mean `listen`"),
        ("[limits]\nmaxbody = 1", None, "did you mean `limits.max_body`"),
        ("[server]\nport = 1", None, "unknown key `server`"),
        ("[ingest]\nsampel_rate = 1", None, "did you mean `sample_rate`"),
        ("[ingest.redact]\ndetector = []", None, "did you mean `detectors`"),
        ("[projects.a]\nretension = \"1d\"", None, "did you mean `retention`"),
        ("[[projects.a.rules]]\nfliter = \"x\"", None, "did you mean `filter`"),
        ("[projects]\na = 1", None, "a table"),
        ("ingest = 1", None, "a table"),
        ("listen = \"here\"", None, "/etc/assay/assay.toml): write an address"),
        ("listen = 1984", None, "text in quotes"),
        ("allow_anonymous = \"yes\"", None, "without quotes"),
        ("public_url = \"assay\"", None, "https://"),
        ("models.proxy = \"proxy:3128\"", None, "assay.toml): write an address such as http://proxy:3128"),
        ("models.proxy = \"socks5://proxy\"", None, "such as http://proxy:3128"),
        ("limits.drain = \"off\"", None, "cannot be off"),
        ("projects.a.retention = 14", None, "in quotes"),
        ("projects.a.retention = \"14\"", None, "write a time"),
        ("ingest.sample_rate = 2.0", None, "from 0 to 1"),
        ("ingest.redact.detectors = [\"emails\"]", None, "email"),
        ("[[ingest.rules]]\nname = \"x\"\nfilter = \"eq(nme, 1)\"\naction = \"drop\"", None, "no field"),
        ("[[ingest.rules]]\nname = \"x\"\nfilter = \"eq(name, 'a')\"\naction = \"delete\"", None, "drop"),
        ("a = [", None, "cannot read configuration"),
        (
            "",
            Some(("ASSAY_LIMITS_MAX_BODY", "many")),
            "environment variable ASSAY_LIMITS_MAX_BODY): write a size",
        ),
        ("", Some(("ASSAY_LOG_FORMAT", "xml")), "text or json"),
    ] {
        let environment: Vec<(&str, &str)> = environment.into_iter().collect();
        let error = of(file, &environment, &[]).map(|settings| settings.shown).expect_err(file).to_string();
        assert!(error.contains(said), "{file} {environment:?}: {error}");
    }
}

#[test]
fn variables_that_are_none_are_pointed_out() {
    let settings = of("", &[("ASSAY_LISTN", "x"), ("ASSAY_CONFIG", "x")], &[]).expect("settings");
    assert_eq!(settings.strange_variables, ["ASSAY_LISTN"]);
}

#[test]
fn settings_can_be_shown_with_where_they_come_from() {
    let settings =
        of("[log]\nformat = \"json\"", &[("ASSAY_GRPC", "127.0.0.1:4317")], &[("listen", "127.0.0.1:0")]);
    let proxy = of("", &[], &[("models.proxy", "http://user:pass-1@proxy:3128")]).expect("settings");
    assert!(proxy.show().contains("models.proxy = \"http://user:***@proxy:3128/\"  # --models-proxy"));
    assert!(!proxy.show().contains("pass-1") && !format!("{:?}", proxy.server).contains("pass-1"));
    let settings = settings.expect("settings");
    for line in [
        "listen = \"127.0.0.1:0\"  # --listen",
        "grpc = \"127.0.0.1:4317\"  # environment variable ASSAY_GRPC",
        "log.format = \"json\"  # /etc/assay/assay.toml",
        "limits.max_body = \"32MB\"  # default",
        "# public_url = \"\"  # default",
    ] {
        assert!(settings.show().contains(line), "{line} in\n{}", settings.show());
    }
}

#[test]
fn the_reference_page_lists_all_keys() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
    if std::env::var_os("ASSAY_UPDATE").is_some() {
        std::fs::write(path, reference()).expect("written");
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        written == reference(),
        "docs/configuration.md is out of date: run the tests with ASSAY_UPDATE=1"
    );
}

#[test]
fn the_example_of_the_reference_page_is_right() {
    let page = reference();
    let example = page.split("```toml").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    of(example, &[], &[]).expect("a good example");
}
