//! What the agent's words show: refusals, silence, the wrong language, and failures it reports itself.
//!
//! Words are weak evidence, so the rules are narrow: an agent that cannot find
//! an order, or keeps to a policy, has not failed.

use std::sync::LazyLock;

use assay_domain::{Message, Part, Role, RunKind, Thread, Transcript};
use regex::Regex;

use super::core::{self, start};
use super::{Findings, models};
use crate::summarize::corpus::Expectation;
use crate::summarize::language;
use crate::summary::{Failure, FailureKind};

pub(super) const DECLINED: &str = "the agent declined to help";
pub(super) const NO_ANSWER: &str = "the user's last message has no answer";
pub(super) const EMPTY_ANSWER: &str = "the last answer is empty";

/// Where in an answer a refusal stands, in bytes: further in it is about some part of the request.
const OPENING: usize = 260;

/// Answers in which the agent declines to help at all.
pub(super) fn refusals(transcript: &Transcript, found: &mut Findings) {
    let answers: Vec<&Message> =
        transcript.by(Role::Assistant).filter(|message| message.tool_calls.is_empty()).collect();
    let last = answers.len().saturating_sub(1);
    for (index, message) in answers.iter().enumerate() {
        let Some(evidence) = refusal(message) else { continue };
        found.add(Failure {
            kind: FailureKind::Refusal,
            signature: DECLINED.to_owned(),
            tool: None,
            agent: message.name.clone(),
            evidence,
            count: 1,
            // Later answers show that the agent went on helping.
            recovered: index + 1 < last && !found.root_failed,
            run: message.run,
        });
    }
}

/// The words of a refusal, if the message is one.
fn refusal(message: &Message) -> Option<String> {
    let declined = message.parts.iter().find_map(|part| match part {
        Part::Refusal(text) => Some(cut(text)),
        _ => None,
    });
    if declined.is_some() {
        return declined;
    }
    let text = message.text();
    let head = start(text.trim_start(), OPENING);
    let plain = head.replace('’', "'");
    REFUSAL.is_match(&plain).then(|| cut(head))
}

/// The agent answers in a language other than the one it was asked in.
pub(super) fn wrong_language(transcript: &Transcript, found: &mut Findings) {
    let mut asked: Option<&'static str> = None;
    let mut wrong: Option<(&Message, String, usize)> = None;
    let mut set_right = false;
    for message in &transcript.messages {
        match message.role {
            Role::User => asked = asked_in(message),
            Role::Assistant if message.tool_calls.is_empty() => {
                let text = message.text();
                let Some((asked, answered)) = asked.zip(language::detect(start(&text, 1_500))) else {
                    continue;
                };
                set_right = asked == answered;
                if !set_right {
                    let count = wrong.as_ref().map_or(0, |(.., count)| *count) + 1;
                    wrong = Some((message, format!("asked in {asked}, answered in {answered}"), count));
                }
            }
            _ => {}
        }
    }
    let Some((message, signature, count)) = wrong else { return };
    found.add(Failure {
        kind: FailureKind::WrongLanguage,
        signature,
        tool: None,
        agent: message.name.clone(),
        evidence: cut(&message.text()),
        count,
        recovered: set_right && !found.root_failed,
        run: message.run,
    });
}

/// The language an answer should be in; unknown where the user names a language.
fn asked_in(message: &Message) -> Option<&'static str> {
    let text = message.text();
    if NAMES_A_LANGUAGE.is_match(start(&text, 4_096)) {
        return None;
    }
    language::detect(start(&text, 1_500))
}

/// A run without an end this long before the data ends is not running any more.
const STILL_OPEN_SECONDS: i64 = 3_600;

/// The thread ends with a request of the user's, or with an empty answer.
pub(super) fn unanswered(
    thread: &Thread,
    transcript: &Transcript,
    expected: Expectation,
    found: &mut Findings,
) {
    let root = thread.traces.last().and_then(|trace| trace.root());
    let began =
        root.filter(|root| root.end_time.is_none() && root.error.is_none()).and_then(|root| root.start_time);
    // What runs at the end of the data may still be answered; what began long before was left alone.
    let is_open = began.is_some_and(|began| {
        expected.last_activity.is_none_or(|last| (last - began).num_seconds() < STILL_OPEN_SECONDS)
    });
    let Some(last) = transcript.messages.iter().rfind(|message| message.role != Role::System) else { return };
    if is_open || explains_silence(found) {
        return;
    }
    let has_agent = thread.runs().any(|run| run.kind == RunKind::Llm)
        || transcript.messages.iter().any(|message| matches!(message.role, Role::Assistant | Role::Tool));
    let (signature, evidence) = match last.role {
        Role::User if (has_agent || expected.answers) && wants_answer(transcript, last) => {
            (NO_ANSWER, cut(&last.text()))
        }
        Role::Assistant if says_nothing(last) => (EMPTY_ANSWER, String::new()),
        // Many agents end by a call (a transfer, a submission, a result in a given shape): that is no silence.
        _ => return,
    };
    found.add(Failure {
        kind: FailureKind::Unanswered,
        signature: signature.to_owned(),
        tool: None,
        agent: last.name.clone(),
        evidence,
        count: 1,
        recovered: false,
        run: last.run,
    });
}

/// An error that ended the thread also explains why nobody answered.
fn explains_silence(found: &Findings) -> bool {
    [FailureKind::RunError, FailureKind::ModelError, FailureKind::LimitReached]
        .into_iter()
        .any(|kind| found.has(kind))
}

fn says_nothing(message: &Message) -> bool {
    let is_silent = |part: &Part| match part {
        Part::Text(text) | Part::Refusal(text) => text.trim().is_empty(),
        Part::Thinking(_) => true,
        Part::Media { .. } => false,
        Part::Other(value) => value.is_null(),
    };
    message.tool_calls.is_empty() && message.error.is_none() && message.parts.iter().all(is_silent)
}

/// Whether the user's last message asks for something. Thanks and goodbyes do not.
fn wants_answer(transcript: &Transcript, last: &Message) -> bool {
    let answered_before = transcript.by(Role::Assistant).any(|message| !says_nothing(message));
    let text = last.text();
    let text = start(text.trim(), 4_096).replace('’', "'");
    if !answered_before {
        return !text.is_empty();
    }
    let mut rest = String::new();
    for sentence in text.split_inclusive(['.', '!', '?', '\n']) {
        if !CLOSING.is_match(sentence.trim()) && !LATER.is_match(sentence) {
            rest.push_str(sentence);
        }
    }
    rest.contains(['?', '？', '؟']) || REQUEST.is_match(rest.trim())
}

/// The last answer is an error report, or says that a limit was reached.
pub(super) fn reported(transcript: &Transcript, found: &mut Findings) {
    let Some(last) = transcript.by(Role::Assistant).next_back() else { return };
    let text = last.text();
    if !last.tool_calls.is_empty() || text.len() > 20_000 {
        return;
    }
    let (kind, words) = if models::is_limit(&text) && text.len() < 400 {
        (FailureKind::LimitReached, core::of_error(&text))
    } else if let Some(words) = core::of_json_text(&text) {
        (FailureKind::RunError, words)
    } else {
        return;
    };
    if kind == FailureKind::LimitReached && found.has(kind) {
        return;
    }
    found.add(Failure {
        kind,
        signature: words.signature(),
        tool: None,
        agent: last.name.clone(),
        evidence: words.evidence,
        count: 1,
        recovered: false,
        run: last.run,
    });
}

fn cut(text: &str) -> String {
    text.trim().chars().take(240).collect()
}

macro_rules! pattern {
    ($pattern:expr) => {
        LazyLock::new(|| Regex::new($pattern).expect("a literal pattern compiles"))
    };
}

/// Declining to help, comply or discuss; not "I can't find …", "I cannot change a basic ticket".
static REFUSAL: LazyLock<Regex> = pattern!(
    r"(?ix)
      \bi(?:'m|\ am)?\ (?:(?:really|very|so|truly)\ )?(?:sorry,?\ (?:but\ )?i\ )?
        (?:can't|can\ not|cannot|won't|will\ not|am\ unable\ to|'m\ unable\ to|unable\ to|not\ able\ to|am\ not\ able\ to|must\ decline\ to|won't\ be\ able\ to|have\ to\ decline\ to|refuse\ to)\ 
        (?:help\ (?:you\ )?with\ (?:that|this|your|it|such|these)\b | help\ you\ (?:do|to\ do)\ (?:that|this) | help\ with\ that
          | assist\ (?:you\ )?with\ (?:that|this|your\ request|such|it|these)\b | assist\ (?:you\ )?in\ (?:that|this|doing) | assist\.
          | comply | fulfil | engage\ (?:in|with) | participate\ in | discuss\ (?:that|this|such)
          | (?:provide|offer|give)\ (?:you\ )?(?:any\ )?(?:(?:medical|legal|financial|tax|investment)\ )?advice
          | continue\ (?:with\ )?this\ conversation | answer\ (?:that|this)\b | share\ that\b | create\ (?:that|such)\b | provide\ that\b)
    | \bi\ (?:must|have\ to|need\ to|will\ have\ to)\ (?:respectfully\ |politely\ )?decline\b
    | \b(?:this|that|your)\ (?:request\ )?(?:goes\ against|violates|is\ against)\ (?:our|my|the|openai|anthropic)
    | \bas\ an\ ai(?:\ language\ model|\ assistant|\ model)?,?\ i(?:'m|\ am)?\ (?:can't|cannot|not\ able|unable|not\ allowed|not\ permitted|don't\ feel)
    | \bi(?:'m|\ am)\ (?:afraid\ )?(?:(?:that\ )?i(?:'m|\ am)\ )?not\ (?:permitted|allowed|authori[sz]ed)\ to\ (?:help|assist|do|answer|discuss|share|process)\b
    | ^(?:i'm\ |i\ am\ )?(?:sorry|apologies),?\ (?:but\ )?i\ (?:can't|cannot|can\ not|am\ unable\ to)\ (?:process|handle|do)\ (?:this|that)[.!]?$
    | \bi\ (?:can't|cannot|can\ not)\ (?:help|assist)\ with\ [\w-]+(?:\ [\w-]+)?\ requests\b
    | \blo\ siento,?\ (?:pero\ )?(?:no\ puedo|no\ me\ es\ posible)\ (?:ayudar(?:te|le|lo|la)?|asistir(?:te|le)?|cumplir|hacer\ eso|responder\ a\ eso)
    | \bno\ puedo\ (?:ayudar(?:te|le)?\ con\ (?:eso|esto|esa)|cumplir\ con)
    | \b(?:leider|tut\ mir\ leid,?\ (?:aber\ )?)\ ?(?:kann\ ich|ich\ kann)\ (?:dir|ihnen|euch)?\ ?(?:dabei|damit|bei\ dieser|hierbei|da)\ (?:leider\ )?nicht\ (?:weiter)?helfen
    | \bich\ kann\ (?:dir|ihnen)?\ ?(?:dabei|damit|hierbei)\ (?:leider\ )?nicht\ (?:weiter)?helfen
    | \bje\ (?:suis\ désolée?,?\ (?:mais\ )?je\ )?(?:ne\ peux\ pas|ne\ suis\ pas\ en\ mesure\ de)\ (?:vous\ |t'|te\ )?(?:aider\ (?:avec|à|sur|dans)\ (?:cela|ça|ce|cette)|répondre\ à\ cette|y\ répondre|accéder\ à\ cette\ demande)"
);

static NAMES_A_LANGUAGE: LazyLock<Regex> = pattern!(
    r"(?i)\b(?:translat\w*|traduc\w*|tradui\w*|übersetz\w*|vertaal\w*|(?:in|to|into|en|auf|al?|em|au)\s+(?:english|spanish|german|french|italian|portuguese|dutch|chinese|japanese|korean|russian|arabic|hindi|inglés|español|alemán|francés|englisch|spanisch|deutsch|französisch|anglais|espagnol|allemand|français|inglese|inglês))\b"
);

/// Sentences that end a conversation.
static CLOSING: LazyLock<Regex> = pattern!(
    r"(?ix)^(?:(?:ok(?:ay)?|all\ ?right|great|perfect|awesome|wonderful|excellent|cool|fine|sure|yes|no|nope|got\ it|i\ see|understood|well|and|but|oh|ah)[,.!;]?\ )*
      (?:(?:many\ |much\ )?(?:thank|thx|thanks|appreciate)\b.* | i\ (?:really\ )?appreciate.* | (?:good)?\ ?bye.* | (?:have|enjoy)\ (?:a|your|the)\b.* | take\ care.* | see\ you.*
        | (?:that's|that\ is|that\ was|that'll\ be|that\ will\ be|that\ should\ be)\ (?:all|it|everything|perfect|great|fine|good)\b.* | (?:it's|that's)\ (?:ok|okay|fine).*
        | (?:no|nothing),?\ (?:that's|that\ is|thanks|else|i'm).* | i'm\ (?:all\ )?(?:set|good|done)\b.* | you\ too\b.* | you've\ been.* | you\ have\ been.*
        | (?:muchas\ )?gracias\b.* | (?:vielen\ |herzlichen\ )?dank(?:e)?\b.* | merci\b.* | grazie\b.* | obrigad[oa]\b.* | adiós.* | tschüss.* | au\ revoir.*
        | (?:ok(?:ay)?|all\ ?right|great|perfect|awesome|wonderful|excellent|cool|fine|sure|no|nope|got\ it|i\ see|understood|stop|terminate|done)[.!]*)$"
);

/// What the user will or may do some other time.
static LATER: LazyLock<Regex> = pattern!(
    r"(?i)\b(?:if i (?:need|have|want|think|decide)|in case i|reach out|get back to you|come back|let you know|contact (?:you|support|customer)|i'll (?:definitely |just )?(?:call|contact|check|gather|wait|keep|think|consider))\b"
);

static REQUEST: LazyLock<Regex> = pattern!(
    r"(?i)\b(?:please|can you|could you|would you|will you|i need|i want|i'd like|i would like|i still|help me|tell me|show me|give me|let me know|go ahead|por favor|puede[ns]?|podría|necesito|quiero|quisiera|ayúd\w*|bitte|können sie|kannst du|ich brauche|ich möchte|s'il vous pla[iî]t|pouvez-vous|peux-tu|j'ai besoin|je voudrais|je veux)\b"
);
