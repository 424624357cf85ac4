//! Databases, caches and brokers.

use super::read::Reader;
use crate::manifest::fields::RESOURCE;
use crate::manifest::{Node, Value};
use crate::name::Name;
use crate::settings::Address;
use crate::spec::{Credential, Engine, Resource, Source, Template};

/// A resource of the application `app`; `None` where its engine is missing or refused.
pub(super) fn resource(node: &Node, app: &Name) -> Option<Resource> {
    let read = Reader::new(&RESOURCE, Some(node));
    let engine = engine(node)?;
    if let Some(url) = read.text("url") {
        return Some(Resource { engine, source: Source::External { url: Template::parse(url).ok()? } });
    }
    let port = match read.given("port").map(|node| &node.value) {
        Some(Value::Integer(port)) => u16::try_from(*port).ok()?,
        _ => 0,
    };
    let options = read
        .entries("options")
        .filter_map(|(key, node)| Some((key.clone(), node.text()?.to_owned())))
        .collect();
    let database = read.owned("database").unwrap_or_else(|| match engine {
        Engine::Redis => "0".to_owned(),
        _ => app.as_str().replace('-', "_"),
    });
    let source = Source::Private {
        version: read.integer("version"),
        database,
        port,
        options,
        memory: read.size("memory"),
        credential: Credential::FIRST,
    };
    Some(Resource { engine, source })
}

/// The addresses of somebody else's resources that settings are put into. Those that stand in the
/// manifest as they are were looked at when it was read.
pub(crate) fn addresses(root: &Node, text: &str) -> Vec<Address> {
    let resources = root.get("resources").and_then(Node::table).into_iter().flatten();
    let address = |(name, node): (&String, &Node)| {
        let url = node.get("url")?;
        let template = Template::parse(url.text()?).ok()?;
        template.references().next()?;
        let line = text.get(..url.span.start)?.matches('\n').count() + 1;
        let line = u32::try_from(line).unwrap_or(u32::MAX);
        Some(Address { resource: name.clone(), engine: engine(node)?, template, line })
    };
    resources.filter_map(address).collect()
}

/// The engine of a resource; `None` where it is missing or refused.
pub(super) fn engine(node: &Node) -> Option<Engine> {
    match node.get("engine").and_then(Node::text)? {
        "postgres" => Some(Engine::Postgres),
        "redis" => Some(Engine::Redis),
        "rabbitmq" => Some(Engine::Rabbitmq),
        _ => None,
    }
}
