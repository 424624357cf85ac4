//! All that stands in the way of a deploy of a project, gathered before any of it is told.

use windlass_core::diag::Diag;
use windlass_core::resolve::{examine_values, resolve, sketch};
use windlass_core::settings::Fault;
use windlass_core::spec::Spec;

use super::context::Context;
use super::failure::{FAILED, Failure, USAGE};
use super::project::Project;
use super::source::{self, Examined};
use super::specified::Specified;
use crate::host::{self, Lack};
use crate::settings::Found;

/// What is known of a project, and what is wrong.
pub(super) struct Judged {
    found: Found,
    /// Where something is wrong with the manifest, as far as it can be known.
    spec: Option<Spec>,
    faults: Vec<Fault>,
    diags: Vec<Diag>,
    /// Whether the project itself is wrong, rather than a store or this machine: it may go as it is another time.
    is_wrong: bool,
}

impl Judged {
    /// By its manifest and its settings.
    pub(super) fn of(context: &Context, project: &Project) -> Self {
        let environment = project.environment.as_str();
        let found = context.read_settings(project, environment);
        for warning in &found.assembled.warnings {
            context.say(&format!("warning: {warning}"));
        }
        let mut faults = found.errors(project.app.as_str(), environment, &project.file);
        let known = found.known();
        let (spec, diags) = if project.faults.is_empty() {
            match resolve(&project.manifest, environment, &known) {
                Ok(spec) => (Some(spec), vec![]),
                Err(diags) => (None, diags),
            }
        } else {
            let mut diags = project.faults.clone();
            examine_values(&project.manifest, environment, &known, &mut diags);
            (None, diags)
        };
        let spec = spec.or_else(|| sketch(&project.manifest, environment, &known));
        let mut is_wrong = !diags.is_empty() || !found.unstored.are_all(&faults);
        if let Some(spec) = &spec {
            let of_spec = [of_users(spec, &found), found.oversized(spec, &project.file)].concat();
            is_wrong |= !of_spec.is_empty();
            faults.extend(of_spec);
        }
        Self { found, spec, faults, diags, is_wrong }
    }

    /// Whether anything is wrong so far.
    pub(super) fn is_refused(&self) -> bool {
        !self.faults.is_empty() || !self.diags.is_empty()
    }

    /// By its source as well; answers what is doubtful in that.
    pub(super) fn examine_source(&mut self, project: &Project) -> Examined {
        // What is to be left out is not known of a build that is wrong.
        let spec = self.spec.as_ref().filter(|_| self.knows_build(project));
        let mut examined = spec.map(|spec| source::examine(project, spec)).unwrap_or_default();
        self.is_wrong |= !(examined.faults.is_empty() && examined.absent.is_empty());
        self.faults.append(&mut examined.faults);
        self.diags.append(&mut examined.absent);
        examined
    }

    /// By this machine as well; answers what is doubtful. Where the deploy is to be `elsewhere`, all that this one
    /// lacks is.
    pub(super) fn examine_machine(
        &mut self,
        project: &Project,
        elsewhere: bool,
    ) -> Vec<(&'static str, String)> {
        let Some(spec) = &self.spec else { return Vec::new() };
        let host::Looked { lacks, passing, own, notes } =
            host::look(spec, &project.layout, self.knows_build(project));
        let doubt = |when: &'static str| {
            move |Lack { code, what, hint, .. }| (code, format!("{when}: {what}; {hint}"))
        };
        let mut doubts = notes;
        doubts.extend(own.into_iter().map(doubt("seen from here, and not by the host side, which runs")));
        if elsewhere {
            doubts.extend(lacks.into_iter().map(doubt("on this machine")));
            return doubts;
        }
        doubts.extend(passing.into_iter().map(doubt("a deploy now would be refused")));
        for Lack { code, at, what, hint } in lacks {
            if at.is_empty() {
                let file = "this machine".to_owned();
                self.faults.push(Fault { file, line: 0, column: 0, message: what, help: hint });
            } else {
                let at: Vec<&str> = at.iter().map(String::as_str).collect();
                let span = project.manifest.span_at(project.environment.as_str(), &at);
                self.diags.push(Diag::error(code, span, what).help(hint));
            }
        }
        doubts
    }

    /// Whether nothing is wrong in `[build]`: of what is, nothing else can be concluded.
    fn knows_build(&self, project: &Project) -> bool {
        let within = project.manifest.spans_within(project.environment.as_str(), "build");
        let is_of_it = |diag: &Diag| within.iter().any(|span| span.contains(&diag.span.start));
        !self.diags.iter().any(is_of_it)
    }

    /// The specification, with the values of its settings; or all that is wrong, told.
    pub(super) fn settle(self, context: &Context, project: &Project) -> Result<Specified, Failure> {
        match (self.is_refused(), self.spec) {
            (false, Some(spec)) => Ok(Specified::new(spec, self.found)),
            _ => {
                let code = if self.is_wrong { USAGE } else { FAILED };
                Err(context.fail(code, project, &self.faults, &self.diags))
            }
        }
    }
}

/// What is wrong with those who may pass a route, where their setting has its value.
pub(super) fn of_users(spec: &Spec, found: &Found) -> Vec<Fault> {
    let text = |key: &str| found.assembled.whole(key).map(|text| text.expose().to_owned());
    let fault = |(key, message, help): (&str, String, &str)| {
        let place = found.assembled.settings.get(key).map(|resolved| resolved.value.provenance.place());
        let (file, line) = place.unwrap_or_default();
        Fault { file, line, column: 0, message, help: help.to_owned() }
    };
    host::users(spec, text).into_iter().map(fault).collect()
}
