//! Who reaches what: every route of the table, asked as everybody, for one's own thing, for another person's and for one that is not there.
//! What is expected stands in the table, beside the route (`needs`, `reach`); nothing is expected here that is not said there.

mod things;

use reqwest::Method;

use super::site::Answer;
use crate::access::Privilege as P;
use crate::routes::{Act, Caller, Kind, Needs, Reach, Route, table};
use things::{Asker, Relation, Things};

/// What becomes of somebody who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// Nobody knows them: 401, or the login page.
    Unknown,
    /// 403 with this privilege.
    Lacks(P),
    /// 403, whatever they may do.
    Refused,
    /// The same answer as for a thing that is not there, to the byte.
    Absent,
    /// Nothing changes: what is not there is not found, what makes it is not understood.
    NotThere,
    /// What the route does, as far as the thing allows.
    Reached,
}

fn expected(route: &Route, asker: &Asker, relation: Relation) -> Expected {
    if !asker.admitted {
        return Expected::Unknown;
    }
    if route.caller == Caller::Operator {
        return Expected::Refused;
    }
    if let Needs::Privilege(needed) = route.needs
        && !asker.may(needed)
    {
        return Expected::Lacks(needed);
    }
    match (route.reach, relation) {
        (Reach::Nothing | Reach::Word | Reach::Unsaid, _) => Expected::Reached,
        (Reach::Workspace, Relation::None) => Expected::NotThere,
        (_, Relation::None) => Expected::Absent,
        // Somebody of another workspace is nobody here; where a link leads is said to whoever was given one.
        _ if asker.foreign && is_linked(route) => Expected::Unknown,
        _ if asker.foreign => Expected::Absent,
        (_, Relation::Own) | (Reach::Workspace, Relation::Other) => Expected::Reached,
        (Reach::Listed, Relation::Other) if asker.may(P::FlowsView) => Expected::Reached,
        (Reach::Listed | Reach::Own, Relation::Other) => Expected::Absent,
        (Reach::Others(see, act), Relation::Other) => {
            if !see.iter().any(|privilege| asker.may(*privilege)) {
                return Expected::Absent;
            }
            match act {
                Act::Freely => Expected::Reached,
                Act::With(needed) if asker.may(needed) => Expected::Reached,
                Act::With(needed) => Expected::Lacks(needed),
                Act::Never => Expected::Refused,
            }
        }
    }
}

/// Whether people are sent links to this page.
fn is_linked(route: &Route) -> bool {
    let linked = ["/runs/{run}", "/connect/{sign_in}", "/approvals/{request}"];
    route.method == Method::GET && linked.contains(&route.path)
}

/// What is wrong with an answer; nothing if it is as expected.
fn wrong(route: &Route, answer: &Answer, absent: &Answer, expected: Expected) -> Option<String> {
    let to_login = answer.status == 303
        && answer.headers["location"]
            .to_str()
            .is_ok_and(|to| to.contains("/login"));
    let privilege = answer.body["privilege"].as_str();
    let good = match expected {
        Expected::Unknown if route.kind == Kind::Api => answer.status == 401,
        Expected::Unknown => to_login,
        // A page says it in words.
        Expected::Lacks(needed) if route.kind != Kind::Api => {
            answer.status == 403 && answer.text.contains(needed.as_str())
        }
        Expected::Lacks(needed) => {
            // Who else is asked may answer too, so the refusal is not about the privilege alone.
            let asked = needed == P::RunsDecide && answer.body["code"] == "not_asked";
            answer.status == 403 && (asked || privilege == Some(needed.as_str()))
        }
        Expected::Refused => answer.status == 403,
        Expected::Absent => {
            things::outside(answer) == things::outside(absent)
                && (answer.status == 404 || route.kind != Kind::Api && answer.status == 403)
        }
        Expected::NotThere if route.method == Method::GET || route.method == Method::DELETE => {
            answer.status == 404
        }
        Expected::NotThere => [400, 404, 422].contains(&answer.status),
        Expected::Reached => {
            let to_login = to_login && route.path != "/logout";
            let listed = route.reach == Reach::Listed && answer.body["code"] == "not_on_run_list";
            let refused = answer.status == 403 && route.kind == Kind::Api && !listed;
            !to_login && !refused && ![401, 404, 500].contains(&answer.status)
        }
    };
    (!good).then(|| {
        format!(
            "expected {expected:?}, was answered {} {}",
            answer.status,
            answer.text.chars().take(300).collect::<String>()
        )
    })
}

#[test]
fn every_route_says_whose_the_thing_is_that_its_path_names() {
    for route in table(true) {
        assert_ne!(
            route.reach,
            Reach::Unsaid,
            "{route:?}: say whose the thing is that its path names, as the last argument of its line in routes.rs: `Nothing`, `Workspace`, \
             `Listed` (a flow), `Own`, or `Others(&[P::…], Act::…)` where some privileges show another person's"
        );
        let known = matches!(route.caller, Caller::Public | Caller::Machine);
        assert!(
            !known || matches!(route.reach, Reach::Nothing | Reach::Word),
            "{route:?}: nobody is known there"
        );
    }
}

#[tokio::test]
async fn everybody_reaches_what_is_theirs_and_what_they_may_and_nothing_else_is_there_for_them() {
    let things = Things::make().await;
    let mut faults = Vec::new();
    let mut cells = 0;
    let mut routes = table(false);
    routes.retain(|route| !matches!(route.caller, Caller::Public | Caller::Machine));
    // Whoever logs out asks for nothing any more.
    routes.sort_by_key(|route| route.path == "/logout");
    for route in &routes {
        for asker in &things.askers {
            // Whoever does not get past the door is not asked three times.
            let absent = things.ask(asker, route, Relation::None).await;
            let before = expected(route, asker, Relation::None);
            let mut asked = vec![(Relation::None, before)];
            if matches!(before, Expected::Absent | Expected::NotThere) {
                asked.push((Relation::Own, expected(route, asker, Relation::Own)));
                asked.push((Relation::Other, expected(route, asker, Relation::Other)));
            }
            for (relation, expected) in asked {
                let answer = match relation {
                    Relation::None => absent.clone(),
                    _ if things.cannot(route, relation) => continue,
                    _ => things.ask(asker, route, relation).await,
                };
                cells += 1;
                if let Some(fault) = wrong(route, &answer, &absent, expected) {
                    faults.push(format!("{route:?} as {asker}, {relation:?}: {fault}"));
                }
            }
        }
    }
    assert!(
        faults.is_empty(),
        "{} of {cells} cells are not as the table says:\n{}",
        faults.len(),
        faults.join("\n")
    );
    assert!(
        cells > routes.len() * 10,
        "only {cells} cells of {} routes",
        routes.len()
    );
    things.site.server.stop().await;
}

#[tokio::test]
async fn what_a_query_or_a_body_names_of_anothers_is_not_there_either() {
    let things = Things::make().await;
    let (connection, run, sign_in) = things.some().await;
    let nothing = |id: &str| {
        let (prefix, _) = id.split_once('_').unwrap();
        format!("{prefix}_01jd0000000000000000000000")
    };
    let (no_connection, no_run) = (nothing(&connection), nothing(run));
    let connect = format!("/connect/{sign_in}");
    let agree = "csrf=CSRF&answer=agree&connection=NAME";
    let slot = "{\"flow\": \"NAME\", \"slot\": \"crm\"}";
    for (method, path, body, names) in [
        ("GET", "/api/v1/runs?parent=NAME", "", [run, &no_run]),
        ("GET", "/api/v1/runs?flow=NAME", "", ["hidden", "nothere"]),
        (
            "GET",
            "/api/v1/runs?person=NAME",
            "",
            ["a-other", "a-nobody"],
        ),
        (
            "POST",
            "/api/v1/me/connections",
            slot,
            ["hidden", "nothere"],
        ),
        ("POST", &connect, agree, [&connection, &no_connection]),
        ("GET", "/link/again/NAME", "", [&connection, &no_connection]),
    ] {
        let [others, nobodys] = things.named(method, path, body, names).await;
        assert_eq!(
            things::outside(&others),
            things::outside(&nobodys),
            "{method} {path}"
        );
        assert!(
            others.status >= 400 || others.body["runs"] == serde_json::json!([]),
            "{method} {path}: {} {}",
            others.status,
            others.text
        );
    }
    things.site.server.stop().await;
}
