//! The design tokens: every colour, size and pattern of the studio. No other file names a colour.
//!
//! Colours can be distinguished without telling red from green, and nothing is said by colour
//! alone: actions carry letters, categories of memory and causes of idleness carry patterns.

use eframe::egui::{
    Color32, Context, CornerRadius, FontDefinitions, FontFamily, Stroke, Theme as Mode, Visuals,
};
use trainyard_plan::ActionKind;

/// What memory is held for, in the order in which bars are stacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Category {
    /// The layers' weights.
    Weights,
    /// The sums of the gradients.
    Gradients,
    /// The optimizer's state.
    Optimizer,
    /// What forwards keep for their backwards.
    Activations,
    /// What is sent or received.
    Buffers,
}

/// Why a device computes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Idle {
    /// Before its first action.
    WarmUp,
    /// After its last one.
    Drain,
    /// What it needs is not computed yet.
    Neighbour,
    /// What it needs is on its way.
    Link,
}

/// How an area is filled, beside its colour. The numbers are those of `shaders/timeline.wgsl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pattern {
    /// Nothing but the colour.
    Solid = 0,
    /// Lines that rise.
    Rising = 1,
    /// Lines that fall.
    Falling = 2,
    /// Both.
    Crossed = 3,
    /// Dots.
    Dotted = 4,
    /// Level lines.
    Level = 5,
}

impl Pattern {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Solid, Self::Rising, Self::Falling, Self::Crossed, Self::Dotted, Self::Level];
}

impl Category {
    /// All of them, as bars are stacked.
    pub const ALL: [Self; 5] =
        [Self::Weights, Self::Gradients, Self::Optimizer, Self::Activations, Self::Buffers];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Weights => "weights",
            Self::Gradients => "gradients",
            Self::Optimizer => "optimizer",
            Self::Activations => "activations",
            Self::Buffers => "buffers",
        }
    }

    /// Its name where there is little room.
    #[must_use]
    pub fn short_name(self) -> &'static str {
        match self {
            Self::Weights => "weights",
            Self::Gradients => "grads",
            Self::Optimizer => "opt",
            Self::Activations => "act",
            Self::Buffers => "buf",
        }
    }

    /// Its part of a use of memory, in bytes.
    #[must_use]
    pub fn bytes(self, of: &trainyard_plan::MemoryUse) -> u64 {
        match self {
            Self::Weights => of.weights,
            Self::Gradients => of.gradients,
            Self::Optimizer => of.optimizer,
            Self::Activations => of.activations,
            Self::Buffers => of.buffers,
        }
    }

    /// Its pattern.
    #[must_use]
    pub fn pattern(self) -> Pattern {
        match self {
            Self::Weights => Pattern::Solid,
            Self::Gradients => Pattern::Rising,
            Self::Optimizer => Pattern::Dotted,
            Self::Activations => Pattern::Level,
            Self::Buffers => Pattern::Falling,
        }
    }
}

impl Idle {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::WarmUp, Self::Drain, Self::Neighbour, Self::Link];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::WarmUp => "warm-up",
            Self::Drain => "drain",
            Self::Neighbour => "waits for a neighbour",
            Self::Link => "waits for a link",
        }
    }

    /// Its name where there is little room.
    #[must_use]
    pub fn short_name(self) -> &'static str {
        match self {
            Self::WarmUp | Self::Drain => self.name(),
            Self::Neighbour => "neighbour",
            Self::Link => "link",
        }
    }

    /// Its pattern.
    #[must_use]
    pub fn pattern(self) -> Pattern {
        match self {
            Self::WarmUp => Pattern::Rising,
            Self::Drain => Pattern::Falling,
            Self::Neighbour => Pattern::Dotted,
            Self::Link => Pattern::Crossed,
        }
    }
}

/// The colours of one mode, light or dark.
#[derive(Clone, Debug, PartialEq)]
pub struct Theme {
    /// Whether it is the dark one.
    pub dark: bool,
    /// Behind everything.
    pub background: Color32,
    /// Panels.
    pub surface: Color32,
    /// What lies on panels: columns, cards, bars' tracks.
    pub raised: Color32,
    /// Lines between things.
    pub line: Color32,
    /// Text.
    pub text: Color32,
    /// Text that matters less.
    pub weak: Color32,
    /// What is selected or may be pressed.
    pub accent: Color32,
    /// Better than before.
    pub good: Color32,
    /// Worse than before, or over a budget.
    pub bad: Color32,
    /// Worth a look.
    pub warn: Color32,
    /// Text on the colours of actions, memory and layers.
    pub on_colour: Color32,
    /// Forward.
    pub forward: Color32,
    /// Input gradient.
    pub input_grad: Color32,
    /// Weight gradient.
    pub weight_grad: Color32,
    /// Full backward.
    pub backward: Color32,
    /// Optimizer step.
    pub optimizer: Color32,
    /// Transfers.
    pub transfer: Color32,
    /// Lines of idle hatching.
    pub idle: Color32,
    /// By [`Category`].
    pub memory: [Color32; 5],
    /// By kind of layer: embedding, block, head, convolution, any other.
    pub layers: [Color32; 5],
}

/// Sizes, in points.
pub mod size {
    /// Between things that belong together.
    pub const GAP: f32 = 4.0;
    /// Between groups.
    pub const SPACE: f32 = 8.0;
    /// Around panels.
    pub const MARGIN: f32 = 12.0;
    /// Around what is in a dialog.
    pub const DIALOG: f32 = 20.0;
    /// What is there at all takes so much of a bar.
    pub const SLIVER: f32 = 2.0;
    /// A corner.
    pub const CORNER: u8 = 4;
    /// A row of a lane in the timeline.
    pub const LANE: f32 = 22.0;
    /// A bar of memory or time.
    pub const BAR: f32 = 14.0;
    /// Small text.
    pub const SMALL: f32 = 11.0;
    /// Text.
    pub const BODY: f32 = 13.0;
}

const fn rgb(hex: u32) -> Color32 {
    Color32::from_rgb((hex >> 16) as u8, (hex >> 8) as u8, hex as u8)
}

/// By night.
pub const DARK: Theme = Theme {
    dark: true,
    background: rgb(0x0F_1216),
    surface: rgb(0x16_1A20),
    raised: rgb(0x20_252D),
    line: rgb(0x36_3D48),
    text: rgb(0xE4_E8ED),
    weak: rgb(0x98_A2B0),
    accent: rgb(0x5B_A7F7),
    good: rgb(0x4F_C3A1),
    bad: rgb(0xF2_7A6B),
    warn: rgb(0xE9_B44C),
    on_colour: rgb(0x0B_0E12),
    forward: rgb(0x5B_9BE6),
    input_grad: rgb(0x35_B5AC),
    weight_grad: rgb(0x8C_C265),
    backward: rgb(0xEE_9B4A),
    optimizer: rgb(0xB9_90E6),
    transfer: rgb(0x8C_96A5),
    idle: rgb(0x4A_5361),
    memory: [rgb(0x5B_9BE6), rgb(0xEE_9B4A), rgb(0xB9_90E6), rgb(0x4F_C3A1), rgb(0xD9_D36A)],
    layers: [rgb(0xB9_90E6), rgb(0x6F_A8DC), rgb(0xE9_B44C), rgb(0x4F_C3A1), rgb(0x9A_A5B4)],
};

/// By day.
pub const LIGHT: Theme = Theme {
    dark: false,
    background: rgb(0xEE_F0F3),
    surface: rgb(0xFA_FBFC),
    raised: rgb(0xFF_FFFF),
    line: rgb(0xCB_D1D9),
    text: rgb(0x1B_2129),
    weak: rgb(0x5A_6573),
    accent: rgb(0x15_65C0),
    good: rgb(0x00_7A5E),
    bad: rgb(0xC2_3B2B),
    warn: rgb(0x9A_6700),
    on_colour: rgb(0x0B_0E12),
    forward: rgb(0x6E_A8EC),
    input_grad: rgb(0x4C_C2B9),
    weight_grad: rgb(0x9B_CF74),
    backward: rgb(0xF4_A85C),
    optimizer: rgb(0xC3_A0EA),
    transfer: rgb(0xA3_ADBA),
    idle: rgb(0xB4_BCC7),
    memory: [rgb(0x6E_A8EC), rgb(0xF4_A85C), rgb(0xC3_A0EA), rgb(0x5F_CBAC), rgb(0xDD_D66B)],
    layers: [rgb(0xC3_A0EA), rgb(0x84_B6E8), rgb(0xEF_BE5B), rgb(0x5F_CBAC), rgb(0xB1_BAC6)],
};

impl Theme {
    /// The colours in use.
    #[must_use]
    pub fn of(context: &Context) -> &'static Self {
        if context.theme() == Mode::Dark { &DARK } else { &LIGHT }
    }

    /// The colours that go with egui's own.
    #[must_use]
    pub fn of_visuals(visuals: &Visuals) -> &'static Self {
        if visuals.dark_mode { &DARK } else { &LIGHT }
    }

    /// The colour of an action.
    #[must_use]
    pub fn action(&self, kind: ActionKind) -> Color32 {
        match kind {
            ActionKind::Forward => self.forward,
            ActionKind::Backward => self.backward,
            ActionKind::InputGrad => self.input_grad,
            ActionKind::WeightGrad => self.weight_grad,
            ActionKind::Optimizer => self.optimizer,
            _ => self.transfer,
        }
    }

    /// How many colours the spans of other programs have.
    pub const SPANS: usize = 6;

    /// The colours of spans of other programs, whose names alone say what they are.
    #[must_use]
    pub fn spans(&self) -> [Color32; Self::SPANS] {
        let yellow = self.memory(Category::Buffers);
        [self.forward, self.backward, self.optimizer, self.weight_grad, self.input_grad, yellow]
    }

    /// The colour of a category of memory.
    #[must_use]
    pub fn memory(&self, category: Category) -> Color32 {
        self.memory[category as usize]
    }

    /// The colour of a layer of that kind.
    #[must_use]
    pub fn layer(&self, kind: &str) -> Color32 {
        let kinds = ["embed", "block", "head", "conv"];
        let at = kinds.iter().position(|known| kind.contains(known)).unwrap_or(kinds.len());
        self.layers[at]
    }
}

/// Gives egui's own widgets the studio's colours, in both modes, and its font the arrows it lacks.
/// Called once.
pub fn install(context: &Context) {
    let mut fonts = FontDefinitions::default();
    fonts.families.entry(FontFamily::Proportional).or_default().push("Hack".to_owned());
    context.set_fonts(fonts);
    for (mode, theme) in [(Mode::Dark, &DARK), (Mode::Light, &LIGHT)] {
        context.set_visuals_of(mode, visuals(theme));
    }
    context.all_styles_mut(|style| {
        style.spacing.item_spacing = [size::SPACE, 6.0].into();
        style.spacing.button_padding = [8.0, 4.0].into();
        // Long names must not make a hover text lie over half of a small window.
        style.spacing.tooltip_width = 360.0;
        style.interaction.selectable_labels = false;
    });
}

fn visuals(theme: &Theme) -> Visuals {
    let mut visuals = if theme.dark { Visuals::dark() } else { Visuals::light() };
    visuals.panel_fill = theme.surface;
    visuals.window_fill = theme.surface;
    visuals.extreme_bg_color = theme.background;
    visuals.faint_bg_color = theme.raised;
    visuals.window_stroke = Stroke::new(1.0, theme.line);
    visuals.hyperlink_color = theme.accent;
    visuals.error_fg_color = theme.bad;
    visuals.warn_fg_color = theme.warn;
    visuals.selection.bg_fill = theme.accent.gamma_multiply(0.35);
    visuals.selection.stroke = Stroke::new(1.0, theme.accent);
    let corner = CornerRadius::same(size::CORNER);
    let widgets = &mut visuals.widgets;
    widgets.noninteractive.bg_stroke = Stroke::new(1.0, theme.line);
    widgets.noninteractive.fg_stroke = Stroke::new(1.0, theme.text);
    for widget in [&mut widgets.inactive, &mut widgets.hovered, &mut widgets.active] {
        widget.corner_radius = corner;
        widget.fg_stroke = Stroke::new(1.0, theme.text);
    }
    widgets.inactive.weak_bg_fill = theme.raised;
    widgets.inactive.bg_stroke = Stroke::new(1.0, theme.line);
    widgets.hovered.bg_stroke = Stroke::new(1.0, theme.accent);
    visuals.weak_text_color = Some(theme.weak);
    visuals
}
