//! `windlass scale web=4`

use indexmap::IndexMap;
use windlass_core::manifest::fields::SERVICE;
use windlass_core::manifest::kind::Kind;
use windlass_core::name::Name;
use windlass_core::plan::Request;

use super::request;
use crate::cli::context::Context;
use crate::cli::failure::Failure;

pub(in crate::cli) async fn run(context: &Context, typed: &[String]) -> Result<u8, Failure> {
    request::change_active(context, Request::Scale { replicas: read(typed)? }).await
}

/// How many copies of which service. Each is named once: which of two numbers is meant, nobody knows.
fn read(typed: &[String]) -> Result<IndexMap<Name, u32>, Failure> {
    let mut replicas = IndexMap::new();
    for pair in typed {
        let (name, count) = read_one(pair)?;
        if let Some(before) = replicas.insert(name.clone(), count) {
            let what = match before == count {
                true => format!("{name} is named twice"),
                false => format!("{name} cannot have both {before} and {count} copies"),
            };
            return Err(Failure::usage(what, format!("name it once, such as {name}={count}")));
        }
    }
    Ok(replicas)
}

fn read_one(pair: &str) -> Result<(Name, u32), Failure> {
    let wrong = || Failure::usage(format!("{pair:?} is not SERVICE=COPIES"), "write it like web=4");
    let (name, count) = pair.split_once('=').ok_or_else(wrong)?;
    let name = Name::new(name).map_err(|_| wrong())?;
    // Also a number that no `replicas` could ever be is one.
    if count.is_empty() || !count.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong());
    }
    let Some(Kind::Integer { min, max }) = SERVICE.field("replicas").map(|field| field.kind) else {
        return Err(wrong());
    };
    let allowed = |count: &i64| (min..=max).contains(count);
    let count = count.parse().ok().filter(allowed).and_then(|count| u32::try_from(count).ok());
    count.map(|count| (name, count)).ok_or_else(|| {
        let what = format!("{pair:?} asks for too many copies");
        Failure::usage(what, format!("a service has {min} to {max}, here as in the manifest"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(typed: &[&str]) -> Result<Vec<(String, u32)>, String> {
        let typed: Vec<String> = typed.iter().map(|word| (*word).to_owned()).collect();
        let read = read(&typed).map_err(|failure| format!("{failure:?}"))?;
        Ok(read.into_iter().map(|(name, count)| (name.to_string(), count)).collect())
    }

    #[test]
    fn copies_are_read_as_the_manifest_reads_them() {
        let expected = vec![("web".to_owned(), 1000), ("worker".to_owned(), 0)];
        assert_eq!(said(&["web=1000", "worker=0"]), Ok(expected));
        for many in ["web=1001", "web=4294967297", "web=99999999999999999999"] {
            let said = said(&[many]).unwrap_err();
            assert!(said.contains("asks for too many copies") && said.contains("0 to 1000"), "{said}");
        }
        for wrong in ["web", "web=", "web=-1", "web=+1", "web=many", "Web=1", "web=1.5", "=1"] {
            let said = said(&[wrong]).unwrap_err();
            assert!(said.contains("is not SERVICE=COPIES"), "{said}");
        }
    }

    #[test]
    fn a_service_is_named_once() {
        let twice = said(&["web=3", "worker=1", "web=4"]).unwrap_err();
        assert!(twice.contains("web cannot have both 3 and 4 copies"), "{twice}");
        let same = said(&["web=3", "web=3"]).unwrap_err();
        assert!(same.contains("web is named twice"), "{same}");
    }
}
