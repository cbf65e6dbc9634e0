//! Which models a job asks: from the words of a request to providers and names.
//!
//! An [`Offer`] is what could be asked at a moment: what the configuration
//! says, and of which providers there is a key. [`Offer::choose`] is a pure
//! function of it and of the words. Keys are not looked at here; `ask` takes
//! them out when they are used.

use std::sync::Arc;

use assay_domain::PriceTable;
use assay_domain::job::Providers;
use assay_domain::report::Models;
use assay_llm::Api;
use uuid::Uuid;

use crate::app::App;
use crate::config::ModelSettings;
use crate::workspace::has_secret;

/// For messages about a workspace secret that lacks.
pub(super) const WHERE_SECRETS_ARE_SET: &str =
    "in the settings under “Language models”, or by POST /workspaces/current/secrets";

/// What could be asked now.
#[derive(Clone, Debug, Default)]
pub(crate) struct Offer {
    provider: Option<Api>,
    /// It has an address of its own: then nobody else is asked, whatever a request says.
    is_own: bool,
    thinking: Option<String>,
    summary: Option<String>,
    /// Of which there is a key, or that need none.
    reachable: Vec<Api>,
    /// Threads a model reads where a job says nothing of it.
    pub(super) read: Option<usize>,
    pub(super) prices: Option<Arc<PriceTable>>,
    /// Whether the above is so. Beside the server nobody knows.
    pub(super) is_known: bool,
}

/// What a request says of models.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Words<'a> {
    /// `openai`, `anthropic`, or a model
    pub(super) model: Option<&'a str>,
    pub(super) thinking: Option<&'a str>,
    pub(super) summary: Option<&'a str>,
}

/// Whom to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) models: Models,
    pub(super) providers: Providers,
    /// Why they cannot be asked now, and what to do about it.
    pub(super) lack: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Thinking,
    Summary,
}

impl Offer {
    /// What this server could ask now.
    pub(crate) async fn of(app: &App) -> Result<Self, assay_store::Error> {
        let settings = &app.config.models;
        let mut reachable = Vec::new();
        for api in Api::ALL {
            if is_reachable(app, settings, api).await? {
                reachable.push(api);
            }
        }
        Ok(Self {
            provider: settings.provider,
            is_own: settings.base_url.is_some(),
            thinking: settings.thinking.clone(),
            summary: settings.summary.clone(),
            reachable,
            read: Some(settings.read),
            prices: Some(app.store.prices()),
            is_known: true,
        })
    }

    /// The provider of requests that name none.
    fn default_provider(&self) -> Api {
        let reachable = |api: &Api| self.reachable.contains(api);
        let by_key = [Api::OpenAi, Api::Anthropic].into_iter().find(reachable);
        self.provider.or(by_key).unwrap_or(Api::OpenAi)
    }

    /// Who answers for a family of models; OpenAI's is also spoken by others.
    fn of_family(&self, word: &str) -> Option<Api> {
        match word {
            "openai" | "anthropic" if self.is_own => Some(self.default_provider()),
            "openai" => Some(self.provider.filter(|api| *api != Api::Anthropic).unwrap_or(Api::OpenAi)),
            "anthropic" => Some(Api::Anthropic),
            _ => None,
        }
    }

    /// Whom these words mean.
    ///
    /// # Errors
    /// Says which model has to be named.
    pub(super) fn choose(&self, words: Words<'_>) -> Result<Choice, String> {
        let (thinking, thinks) = self.role(Role::Thinking, words.thinking, words.model)?;
        // Whoever names one model means it for both.
        let summary = words.summary.or_else(|| words.thinking.filter(|word| self.of_family(word).is_none()));
        let (summary, reads) = self.role(Role::Summary, summary, words.model)?;
        let lacking = [thinks, reads].into_iter().find(|api| !self.reachable.contains(api));
        let lack = lacking.filter(|_| self.is_known).map(|api| {
            let name = api.key_names().first().copied().unwrap_or_default();
            format!(
                "no key for {} is set: set the workspace secret {name} ({WHERE_SECRETS_ARE_SET}), \
                 or the environment variable {name} of the server",
                api.as_str()
            )
        });
        let provider = |api: Api| api.as_str().to_owned();
        Ok(Choice {
            models: Models { thinking, summary },
            providers: Providers { thinking: provider(thinks), summary: provider(reads) },
            lack,
        })
    }

    fn role(&self, role: Role, own: Option<&str>, both: Option<&str>) -> Result<(String, Api), String> {
        let said = |word: &&str| !word.trim().is_empty();
        let own = own.map(str::trim).filter(said);
        let both = both.map(str::trim).filter(said);
        if let Some(word) = own.or(both).filter(|word| Uuid::parse_str(word).is_ok()) {
            return Err(format!(
                "{word} is the id of a model configuration, and there are none here; name a model, such as gpt-4.1-mini"
            ));
        }
        let family = both.and_then(|word| self.of_family(word));
        let provider = family.unwrap_or_else(|| self.default_provider());
        match (own, both) {
            (Some(word), _) => match self.of_family(word) {
                Some(provider) => self.usual(role, provider),
                None => Ok((word.to_owned(), self.whose(word, provider))),
            },
            (None, Some(word)) if family.is_none() => Ok((word.to_owned(), self.whose(word, provider))),
            (None, _) => self.usual(role, provider),
        }
    }

    /// Claude is Anthropic's, unless a server that speaks like OpenAI has it, too.
    fn whose(&self, model: &str, provider: Api) -> Api {
        let is_bound = self.is_own || provider == Api::Compatible;
        if !is_bound && Api::is_anthropic(model) { Api::Anthropic } else { provider }
    }

    /// The model of a provider where a request names none.
    fn usual(&self, role: Role, provider: Api) -> Result<(String, Api), String> {
        let is_configured = self.provider.is_none_or(|configured| configured == provider);
        let configured = match role {
            Role::Thinking => self.thinking.as_ref(),
            Role::Summary => self.summary.as_ref().or(self.thinking.as_ref()),
        };
        // Without a configured provider the name tells whose the model is.
        let fits = |model: &&String| {
            is_configured && (self.provider.is_some() || self.whose(model, provider) == provider)
        };
        if let Some(model) = configured.filter(fits) {
            return Ok((model.clone(), provider));
        }
        let usual = provider.usual_models().map(|(thinking, summary)| match role {
            Role::Thinking => thinking,
            Role::Summary => summary,
        });
        usual.map(|model| (model.to_owned(), provider)).ok_or_else(|| {
            "no model is named: say cluster_model and summary_model, or configure models.thinking and models.summary"
                .to_owned()
        })
    }
}

async fn is_reachable(app: &App, settings: &ModelSettings, api: Api) -> Result<bool, assay_store::Error> {
    if api == Api::Compatible {
        return Ok(settings.provider == Some(api));
    }
    for name in api.key_names() {
        if settings.keys.contains_key(*name) || has_secret(app, name).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(provider: Option<Api>, reachable: &[Api]) -> Offer {
        Offer { provider, reachable: reachable.to_vec(), is_known: true, ..Offer::default() }
    }

    #[track_caller]
    fn check(offer: &Offer, words: [Option<&str>; 3], expected: &str) {
        let [model, thinking, summary] = words;
        let found = match offer.choose(Words { model, thinking, summary }) {
            Ok(Choice { models, providers, lack }) => format!(
                "{}/{} {}/{}{}",
                providers.thinking,
                models.thinking,
                providers.summary,
                models.summary,
                if lack.is_some() { " lacks" } else { "" }
            ),
            Err(error) => error,
        };
        assert!(found == expected || found.contains(expected) && expected.contains("is"), "{found}");
    }

    #[test]
    fn families_names_and_nothing_choose_whom_to_ask() {
        let openai = offer(None, &[Api::OpenAi, Api::Responses]);
        check(&openai, [None, None, None], "openai/gpt-4.1 openai/gpt-4.1-mini");
        check(&openai, [Some("openai"), None, Some("")], "openai/gpt-4.1 openai/gpt-4.1-mini");
        check(&openai, [Some("gpt-5"), None, None], "openai/gpt-5 openai/gpt-5");
        check(&openai, [Some("openai"), Some("gpt-5"), None], "openai/gpt-5 openai/gpt-5");
        check(&openai, [None, None, Some("gpt-4o-mini")], "openai/gpt-4.1 openai/gpt-4o-mini");
        check(
            &openai,
            [Some("anthropic"), None, None],
            "anthropic/claude-sonnet-4-5 anthropic/claude-haiku-4-5 lacks",
        );
        check(
            &openai,
            [None, Some("d9b7e8f6-5c0d-4f3e-9f50-3f6f3ad2a4c4"), None],
            "is the id of a model configuration",
        );
        let both = offer(None, &[Api::OpenAi, Api::Responses, Api::Anthropic]);
        check(
            &both,
            [None, Some("claude-opus-4-1"), Some("openai")],
            "anthropic/claude-opus-4-1 openai/gpt-4.1-mini",
        );
        let anthropic = offer(None, &[Api::Anthropic]);
        check(&anthropic, [None, None, None], "anthropic/claude-sonnet-4-5 anthropic/claude-haiku-4-5");
    }

    #[test]
    fn a_configured_provider_answers_for_the_family_it_speaks_like() {
        let local =
            Offer { thinking: Some("llama3.3".into()), ..offer(Some(Api::Compatible), &[Api::Compatible]) };
        check(&local, [Some("openai"), None, None], "compatible/llama3.3 compatible/llama3.3");
        check(&local, [Some("claude-x"), None, None], "compatible/claude-x compatible/claude-x");
        check(
            &local,
            [Some("anthropic"), None, None],
            "anthropic/claude-sonnet-4-5 anthropic/claude-haiku-4-5 lacks",
        );
        // Whoever set up an address of its own has conversations go nowhere else.
        let own = Offer { is_own: true, ..local };
        for words in [[Some("anthropic"), None, None], [None, Some("claude-opus-4-1"), Some("anthropic")]] {
            let choice = own.choose(Words { model: words[0], thinking: words[1], summary: words[2] });
            let providers = choice.expect("a choice").providers;
            assert_eq!(
                (providers.thinking.as_str(), providers.summary.as_str()),
                ("compatible", "compatible")
            );
        }
        let gateway = Offer { is_own: true, ..offer(Some(Api::OpenAi), &[Api::OpenAi, Api::Anthropic]) };
        check(&gateway, [Some("anthropic"), None, None], "openai/gpt-4.1 openai/gpt-4.1-mini");
        check(&gateway, [Some("claude-x"), None, None], "openai/claude-x openai/claude-x");
        let nameless = offer(Some(Api::Compatible), &[Api::Compatible]);
        check(&nameless, [None, None, None], "no model is named");
    }

    #[test]
    fn who_lacks_a_key_is_told_which_and_where_to_put_it() {
        let choice = offer(None, &[]).choose(Words::default()).expect("names");
        let lack = choice.lack.expect("a key is missing");
        assert!(lack.contains("OPENAI_API_KEY") && lack.contains("/workspaces/current/secrets"), "{lack}");
        let unknown = Offer::default().choose(Words::default()).expect("names");
        assert_eq!(unknown.lack, None, "beside the server nobody knows");
    }
}
