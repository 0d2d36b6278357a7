//! The public messages as types: what is rendered, what `schemas/` is generated from, what clients read with.
//!
//! Requests are not parsed with these (see `super::read`): serde stops at the first mistake and knows no pointer.
//! Tests hold the two together.

mod access;
mod answer;
mod command;
mod document;
mod event;
mod graph;
mod history;
mod instance;
mod news;
mod question;
mod reply;
mod snapshot;
mod subscription;
mod sync;
mod text;

pub use access::{ExplainArgs, RuleBody, RulingBody};
pub use answer::{
    AnswerBody, AsOf, CyclesBody, DanglingBody, DanglingItem, EdgeBody, ExplainedBody, FacetBody, FacetValue,
    HighlightBody, HitBody, HitsBody, NodeBody, PathsBody, PongBody, QuestionProblemBody, SubgraphBody,
};
pub use command::{
    BatchArgs, CommandBody, ExpectBody, ExpectWord, LinkArgs, PatchArgs, RemoveArgs, RemoveModeWord,
    ResourceRemoveArgs, RestoreArgs, StepBody,
};
pub use document::{
    DependencyDocument, EntrypointDocument, EnvironmentDocument, EnvironmentPatchDocument, NatureWord,
    ResourceDocument, ResourcePatchDocument, StatusEndpointDocument, StatusExpectDocument, TargetDocument,
};
pub use event::{
    BookmarkBody, DivergedBody, DrillEventBody, EpochStartedBody, EventBody, LinksBody, TransactionBody,
    TransactionEventBody, TransactionRef,
};
pub use graph::{
    AffectedBody, EffectCounts, EffectWord, HitEnvironmentBody, ImpactArgs, ImpactBody, OrderArgs, OrderBody,
    OutsideBody, PurposeWord,
};
pub use history::{
    CompareArgs, ComparisonBody, DifferenceBody, HistoryArgs, HistoryBody, MomentBody, PairBody, PastBody,
};
pub use instance::{
    CanaryBody, CertificateBody, ChangesGetBody, DrillBody, DrilledBody, HandOverBody, HandedOverBody,
    HeartbeatBody, LagBody, PromoteBody, PromotedBody, RefusedBody, ReseedBody, ReseedingBody, StatusBody,
    StatusGetBody, SwitchOverBody,
};
pub use news::{CycleBody, DanglingClearedBody, GraphNewsBody, NewsBody};
pub use question::{
    CyclesArgs, DanglingArgs, PathArgs, PingArgs, PositionBody, QuestionBody, ReachArgs, SearchArgs,
};
pub use reply::{FactBody, MistakeBody, OutcomeWord, ProblemBody, ReplyBody};
pub use snapshot::{Base64Bytes, OfferBody, PieceBody, SnapshotBeginArgs, SnapshotChunkArgs};
pub use subscription::{
    AnswerBookmarkBody, AnswerChangedBody, AnswerEndedBody, BecauseBody, ItemBody, ReasonBody, StandingBody,
    StandingFindings, SubscribeArgs, SubscribeBody, SubscribedBody, UnsubscribeArgs, UnsubscribedBody,
};
pub use sync::{
    CursorBody, EntityWord, FilterBody, StateBody, SyncArgs, SyncBeginBody, SyncEndBody, VerdictWord,
};
pub use text::{DurationText, FacetText, IdText, TimeText};
