//! Requests: which route, with which parameters, under which host. Everything a stranger wrote is checked here.

use std::net::IpAddr;
use std::time::Duration;

use hyper::header::{HOST, HeaderMap};
use hyper::{Method, Uri};

use super::answer::Problem;
use super::limits::{PAGE_REPORTS_DEFAULT, PAGE_REPORTS_MAX, WAIT_SECONDS_MAX};

/// What the server has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    /// A page of reports, now or when there are some.
    Rollbacks,
    /// Reports as they come.
    Stream,
    /// Where the node stands.
    Status,
    /// Whether it works.
    Health,
    /// Figures for Prometheus.
    Metrics,
}

const ROUTES: [(&str, Route); 5] = [
    ("/v1/rollbacks", Route::Rollbacks),
    ("/v1/rollbacks/stream", Route::Stream),
    ("/v1/status", Route::Status),
    ("/healthz", Route::Health),
    ("/metrics", Route::Metrics),
];

/// Returns every path that the server answers to; docs/spec/openapi.json describes each.
pub fn paths() -> impl Iterator<Item = &'static str> {
    ROUTES.iter().map(|(path, _)| *path)
}

/// The header in which a reader of a stream says what it had last.
const LAST_EVENT_ID: &str = "last-event-id";

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Asked {
    /// Where.
    pub(super) route: Route,
    /// Reports after this cursor.
    pub(super) after: u64,
    /// How long to wait for one.
    pub(super) wait: Duration,
    /// At most so many.
    pub(super) limit: u64,
}

/// Reads a request's head.
///
/// * `is_loopback` - whether the server listens on loopback: then the request must come under a name of loopback, for a
///   web page can point a name of its own at 127.0.0.1 (DNS rebinding) and read what its visitor's machine answers.
///
/// # Errors
/// What is wrong with it.
pub(super) fn read(method: &Method, uri: &Uri, headers: &HeaderMap, is_loopback: bool) -> Result<Asked, Problem> {
    if is_loopback && !is_local(uri, headers) {
        return Err(Problem::ForeignHost);
    }
    let found = ROUTES.iter().find(|(path, _)| *path == uri.path());
    let (_, route) = *found.ok_or(Problem::NoRoute)?;
    if method != Method::GET && method != Method::HEAD {
        return Err(Problem::NotRead);
    }
    let asked = Asked { route, after: 0, wait: Duration::ZERO, limit: PAGE_REPORTS_DEFAULT };
    let mut asked = read_query(asked, uri.query().unwrap_or_default())?;
    if let (Route::Stream, Some(last)) = (route, headers.get(LAST_EVENT_ID)) {
        asked.after = read_cursor(&String::from_utf8_lossy(last.as_bytes()))?;
    }
    Ok(asked)
}

fn is_local(uri: &Uri, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let (host, second) = (hosts.next().and_then(|host| host.to_str().ok()), hosts.next());
    let is_named = host.is_some_and(|host| is_local_name(without_port(host)));
    is_named && second.is_none() && uri.host().is_none_or(is_local_name)
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        // The colons of a bare IPv6 address are no ports'.
        Some((name, port)) if !name.contains(':') || name.ends_with(']') => {
            if port.bytes().all(|byte| byte.is_ascii_digit()) { name } else { host }
        }
        _ => host,
    }
}

fn is_local_name(name: &str) -> bool {
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    bare.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn read_query(mut asked: Asked, query: &str) -> Result<Asked, Problem> {
    let known: &[&'static str] = match asked.route {
        Route::Rollbacks => &["after", "wait", "limit"],
        Route::Stream => &["after"],
        Route::Status | Route::Health | Route::Metrics => &[],
    };
    let mut seen: Vec<&str> = Vec::new();
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let Some(name) = known.iter().copied().find(|known| *known == name) else {
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(Problem::UnknownParameter { name: name.to_owned(), known });
        };
        if seen.contains(&name) {
            return Err(Problem::RepeatedParameter { name });
        }
        seen.push(name);
        match name {
            "after" => asked.after = read_cursor(value)?,
            "wait" => {
                let seconds = read_number(value).ok_or_else(|| Problem::BadWait { text: value.to_owned() })?;
                asked.wait = Duration::from_secs(seconds.min(WAIT_SECONDS_MAX));
            }
            _ => {
                let limit = read_number(value).filter(|limit| *limit > 0);
                asked.limit = limit.ok_or_else(|| Problem::BadLimit { text: value.to_owned() })?.min(PAGE_REPORTS_MAX);
            }
        }
    }
    Ok(asked)
}

fn read_cursor(text: &str) -> Result<u64, Problem> {
    read_number(text).ok_or_else(|| Problem::BadCursor { text: text.to_owned() })
}

/// Digits only: no sign, no space.
fn read_number(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn ask(uri: &str, headers: &[(&'static str, &'static str)]) -> Result<Asked, Problem> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        read(&Method::GET, &uri.parse().unwrap(), &map, true)
    }

    fn ask_locally(uri: &str) -> Result<Asked, Problem> {
        ask(uri, &[("host", "localhost:80")])
    }

    #[test]
    fn parameters_are_read_and_bounded() {
        let asked = ask_locally("/v1/rollbacks?after=17&wait=9999&limit=9999").unwrap();
        let wait = Duration::from_secs(WAIT_SECONDS_MAX);
        assert_eq!(asked, Asked { route: Route::Rollbacks, after: 17, wait, limit: PAGE_REPORTS_MAX });
        let asked = ask_locally("/v1/rollbacks").unwrap();
        assert_eq!((asked.after, asked.wait, asked.limit), (0, Duration::ZERO, PAGE_REPORTS_DEFAULT));
    }

    #[test]
    fn what_is_no_parameter_is_refused_by_name() {
        for (uri, code) in [
            ("/v1/rollbacks?after=x", "bad_cursor"),
            ("/v1/rollbacks?after=", "bad_cursor"),
            ("/v1/rollbacks?after=-1", "bad_cursor"),
            ("/v1/rollbacks?after=+1", "bad_cursor"),
            ("/v1/rollbacks?after=99999999999999999999999", "bad_cursor"),
            ("/v1/rollbacks?wait=1.5", "bad_wait"),
            ("/v1/rollbacks?limit=0", "bad_limit"),
            ("/v1/rollbacks?afte=1", "unknown_parameter"),
            ("/v1/rollbacks?after=1&after=2", "repeated_parameter"),
            ("/v1/rollbacks/stream?wait=1", "unknown_parameter"),
            ("/v1/status?x", "unknown_parameter"),
            ("/v1/rollbacks/", "not_found"),
            ("/", "not_found"),
        ] {
            assert_eq!(ask_locally(uri).unwrap_err().code().1, code, "{uri}");
        }
    }

    #[test]
    fn a_stream_goes_on_after_the_last_event_whatever_its_address_says() {
        let headers = [("host", "localhost"), ("last-event-id", "9")];
        assert_eq!(ask("/v1/rollbacks/stream?after=3", &headers).unwrap().after, 9);
        assert_eq!(ask("/v1/rollbacks?after=3", &headers).unwrap().after, 3);
        let headers = [("host", "localhost"), ("last-event-id", "nine")];
        assert_eq!(ask("/v1/rollbacks/stream", &headers), Err(Problem::BadCursor { text: "nine".to_owned() }));
    }

    #[test]
    fn on_loopback_only_names_of_loopback_are_answered() {
        for host in ["localhost", "LOCALHOST:8080", "127.0.0.1", "127.0.0.1:1", "127.9.9.9:1", "[::1]", "[::1]:80"] {
            assert!(ask("/healthz", &[("host", host)]).is_ok(), "{host}");
        }
        for host in ["evil.example", "evil.example:80", "localhost.evil.example", "10.0.0.1", "[::2]:80", "", ":80"] {
            assert_eq!(ask("/healthz", &[("host", host)]), Err(Problem::ForeignHost), "{host}");
        }
        assert_eq!(ask("/healthz", &[]), Err(Problem::ForeignHost));
        assert_eq!(ask("/healthz", &[("host", "localhost"), ("host", "evil.example")]), Err(Problem::ForeignHost));
        assert_eq!(ask("http://evil.example/healthz", &[("host", "localhost")]), Err(Problem::ForeignHost));
        let elsewhere = read(&Method::GET, &"/healthz".parse().unwrap(), &HeaderMap::new(), false);
        assert!(elsewhere.is_ok(), "a server that is open to others goes by any name");
    }

    #[test]
    fn nothing_is_written_here() {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static("localhost"));
        let asked = |method: &Method| read(method, &"/v1/status".parse().unwrap(), &headers, true);
        assert_eq!(asked(&Method::POST), Err(Problem::NotRead));
        assert!(asked(&Method::HEAD).is_ok());
    }

    proptest::proptest! {
        #[test]
        fn whatever_a_stranger_writes_is_answered_or_refused(
            path in "(/v1/rollbacks|/v1/rollbacks/stream|/[ -~]{0,20})",
            query in "([a-z]{0,6}|after|wait|limit)(=[!-~]{0,24})?(&[!-~]{0,24}){0,3}",
            host in "[ -~]{0,24}",
            last in "[ -~]{0,24}",
        ) {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_str(&host).unwrap());
            headers.insert(LAST_EVENT_ID, HeaderValue::from_str(&last).unwrap());
            let Ok(uri) = format!("{path}?{query}").parse() else { return Ok(()) };
            for is_loopback in [true, false] {
                if let Ok(asked) = read(&Method::GET, &uri, &headers, is_loopback) {
                    proptest::prop_assert!((1..=PAGE_REPORTS_MAX).contains(&asked.limit));
                    proptest::prop_assert!(asked.wait <= Duration::from_secs(WAIT_SECONDS_MAX));
                }
            }
        }
    }
}
