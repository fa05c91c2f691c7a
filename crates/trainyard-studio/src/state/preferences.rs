//! The preferences, which persist between sessions.

use crate::effect::Effect;
use crate::layout::Layout;
use crate::message::{FirstStep, PreferencesMessage};
use crate::panel_info::PanelInfo;
use crate::persistence::{FirstSteps, Persisted, Recent, Settings};

/// The preferences, which persist between sessions.
pub struct Preferences {
    persisted: Persisted,
    layout: Layout,
    /// The default layout.
    first_layout: Layout,
}

impl Preferences {
    /// What was kept. A layout that does not have every panel once is as at first.
    #[must_use]
    pub fn new(mut persisted: Persisted, panels: &[PanelInfo]) -> Self {
        let first_layout = Layout::of(panels);
        let kept = persisted.layout.take().and_then(|layout| layout.checked(panels));
        Self { layout: kept.unwrap_or_else(|| first_layout.clone()), first_layout, persisted }
    }

    /// Takes a message.
    pub fn update(&mut self, message: PreferencesMessage) -> Vec<Effect> {
        let Persisted { settings, recent, first_steps, programs, fine_tuning, .. } =
            &mut self.persisted;
        match message {
            PreferencesMessage::Set(next) => {
                let before = std::mem::replace(settings, next);
                if before.program != settings.program {
                    return vec![Effect::FindProgram(settings.program.clone())];
                }
            }
            PreferencesMessage::Arrange(layout) => self.layout = layout,
            PreferencesMessage::Toggle(panel) => self.layout.toggle(panel),
            PreferencesMessage::Reveal(panel) => self.layout.reveal(panel),
            PreferencesMessage::ResetLayout => self.layout = self.first_layout.clone(),
            PreferencesMessage::AddRecent(path) => recent.add(&path),
            PreferencesMessage::ForgetRecent(path) => recent.forget(&path),
            PreferencesMessage::ClearRecent => recent.clear(),
            PreferencesMessage::Did(FirstStep::Moved) => first_steps.moved = true,
            PreferencesMessage::Did(FirstStep::Planned) => first_steps.planned = true,
            PreferencesMessage::Did(FirstStep::Ran) => first_steps.ran = true,
            PreferencesMessage::Remember(answer) => programs.add(answer),
            PreferencesMessage::KeepForm(form) => *fine_tuning = *form,
        }
        Vec::new()
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.persisted.settings
    }

    /// The layout of the panels.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Recent files.
    #[must_use]
    pub fn recent(&self) -> &Recent {
        &self.persisted.recent
    }

    /// Progress through the first steps.
    #[must_use]
    pub fn first_steps(&self) -> FirstSteps {
        self.persisted.first_steps
    }

    /// Which programs that run files name may be started.
    #[must_use]
    pub fn programs(&self) -> &crate::persistence::ProgramAnswers {
        &self.persisted.programs
    }

    /// The preferences as text, to store.
    #[must_use]
    pub fn to_text(&self) -> String {
        let layout = Some(self.layout.clone());
        Persisted { layout, ..self.persisted.clone() }.to_text()
    }
}
