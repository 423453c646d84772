//! A name that gave no address although its zone answers: where its aliases lead.

use std::fmt::Write as _;

use hickory_resolver::TokioResolver;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use isochrone_proto::kind::Family;
use isochrone_proto::measurement::{Cause, FailureCause};

use super::{ResolveError, absolute_name, family_name};
use crate::error_text::ErrorText;

/// Says of a name without an address, or one that its name server gave up on, where its aliases lead. Other errors stay
/// as they are.
pub(super) async fn explain(
    resolver: &TokioResolver,
    error: ResolveError,
    (name, family): (&str, Family),
) -> ResolveError {
    let may_be_alias = matches!(
        error.cause,
        Cause::Failed(FailureCause::NoAddress | FailureCause::ServFail)
    );
    let Some(start) = absolute_name(name).ok().filter(|_| may_be_alias) else {
        return error;
    };
    let chain = follow(resolver, start).await;
    let (Some(last), true) = (chain.last(), chain.len() > 1) else {
        return error;
    };
    let path = in_words(&chain);
    if chain[..chain.len() - 1].contains(last) {
        return ResolveError {
            cause: Cause::Failed(FailureCause::ServFail),
            text: ErrorText::new(&format!("the aliases (CNAME) lead in a circle: {path}")),
        };
    }
    match error.cause {
        Cause::Failed(FailureCause::NoAddress) => ResolveError {
            text: ErrorText::new(&format!(
                "no {} address behind the alias {path}",
                family_name(family)
            )),
            ..error
        },
        _ => error,
    }
}

/// The name and its aliases in order, up to one that was there before.
async fn follow(resolver: &TokioResolver, start: Name) -> Vec<Name> {
    let mut chain = vec![start];
    while chain.len() <= ALIASES_MAX {
        let Some(at) = chain.last().cloned() else { break };
        let Ok(found) = resolver.lookup(at.clone(), RecordType::CNAME).await else {
            break;
        };
        let next = found.answers().iter().find_map(|record| match &record.data {
            RData::CNAME(to) if record.name == at => Some(to.0.clone()),
            _ => None,
        });
        let Some(next) = next else { break };
        let is_known = chain.contains(&next);
        chain.push(next);
        if is_known {
            break;
        }
    }
    chain
}

fn in_words(chain: &[Name]) -> String {
    let mut path = String::new();
    for name in chain {
        let arrow = if path.is_empty() { "" } else { " → " };
        let name = name.to_ascii();
        write!(path, "{arrow}{}", name.trim_end_matches('.')).expect("writing into a String cannot fail");
    }
    path
}

/// More aliases in a row are followed by no resolver.
const ALIASES_MAX: usize = 16;
