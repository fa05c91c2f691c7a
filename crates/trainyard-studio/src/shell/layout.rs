//! Where the panels are. They dock, and where they were left is kept from one day to the next.

use std::collections::BTreeSet;

use eframe::egui::{self, Id};
use egui_tiles::{
    Behavior, Container, EditAction, Linear, LinearDir, SimplificationOptions, TabState, Tile,
    TileId, Tiles, Tree, UiResponse,
};
use serde::{Deserialize, Serialize};

use crate::theme::Theme;

/// A panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Panel {
    /// Devices and the layers on them.
    Board,
    /// The planner, and what it found.
    Plans,
    /// What happens when.
    Timeline,
    /// The training.
    Run,
}

impl Panel {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Board, Self::Plans, Self::Timeline, Self::Run];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Board => "Board",
            Self::Plans => "Plans",
            Self::Timeline => "Timeline",
            Self::Run => "Run",
        }
    }
}

/// Where the panels are.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Layout(Tree<Panel>);

impl Default for Layout {
    /// The board, below it the timeline; at their right plans and run, one in front of the other.
    fn default() -> Self {
        let mut tiles = Tiles::default();
        let [board, plans, timeline, run] = Panel::ALL.map(|panel| tiles.insert_pane(panel));
        let board = tiles.insert_tab_tile(vec![board]);
        let timeline = tiles.insert_tab_tile(vec![timeline]);
        let right = tiles.insert_tab_tile(vec![plans, run]);
        let mut split = |dir, children, share| {
            let split = Linear::new_binary(dir, children, share);
            tiles.insert_container(Container::Linear(split))
        };
        let left = split(LinearDir::Vertical, [board, timeline], 0.5);
        let root = split(LinearDir::Horizontal, [left, right], 0.74);
        Self(Tree::new(Id::unique("panels"), root, tiles))
    }
}

impl Layout {
    /// The layout that was kept, if it still has every panel exactly once.
    #[must_use]
    pub fn checked(self) -> Option<Self> {
        let tiles = &self.0.tiles;
        let mut reached = BTreeSet::new();
        let mut ahead: Vec<TileId> = self.0.root().into_iter().collect();
        let mut panels = Vec::new();
        while let Some(id) = ahead.pop() {
            // A tile that is reached twice would be drawn twice, or without end.
            if !reached.insert(id.0) {
                return None;
            }
            match tiles.get(id)? {
                Tile::Pane(panel) => panels.push(*panel),
                Tile::Container(container) => ahead.extend(container.children()),
            }
        }
        panels.sort_unstable();
        (panels == Panel::ALL).then_some(self)
    }

    /// The panels that are seen: neither hidden nor behind another tab.
    #[must_use]
    pub fn shown(&self) -> Vec<Panel> {
        let seen = self.0.active_tiles();
        let shown = |panel: &Panel| {
            let tile = self.0.tiles.find_pane(panel);
            tile.is_some_and(|tile| seen.contains(&tile))
        };
        Panel::ALL.into_iter().filter(shown).collect()
    }

    /// Shows a panel that is hidden or behind another, hides one that is seen.
    pub fn toggle(&mut self, panel: Panel) {
        if self.shown().contains(&panel) {
            if let Some(tile) = self.0.tiles.find_pane(&panel) {
                self.0.tiles.set_visible(tile, false);
            }
        } else {
            self.reveal(panel);
        }
    }

    /// Shows a panel, in front of the tabs beside it.
    pub fn reveal(&mut self, panel: Panel) {
        if let Some(tile) = self.0.tiles.find_pane(&panel) {
            self.0.tiles.set_visible(tile, true);
            self.0.make_active(|id, _| id == tile);
        }
    }

    /// Draws the panels. `draw` draws the inside of one.
    pub fn show(&mut self, ui: &mut egui::Ui, draw: &mut dyn FnMut(&mut egui::Ui, Panel)) {
        let theme = Theme::of(ui.ctx());
        ui.painter().rect_filled(ui.available_rect_before_wrap(), 0.0, theme.background);
        if self.shown().is_empty() {
            ui.centered_and_justified(|ui| {
                ui.label("All panels are hidden. The View menu shows them, or puts them back.");
            });
            return;
        }
        self.0.ui(&mut Docking { draw }, ui);
        self.flatten();
    }

    /// Puts tabs that were dropped among tabs beside those: a tab of tabs has no name of its own.
    fn flatten(&mut self) {
        let tiles = &mut self.0.tiles;
        while let Some((outer, inner)) = nested_tabs(tiles) {
            let Some(Tile::Container(Container::Tabs(moved))) = tiles.remove(inner) else { return };
            let Some(Tile::Container(Container::Tabs(tabs))) = tiles.get_mut(outer) else { return };
            let Some(at) = tabs.children.iter().position(|child| *child == inner) else { return };
            tabs.children.splice(at..=at, moved.children);
            if tabs.active == Some(inner) {
                tabs.active = moved.active;
            }
        }
    }
}

/// Tabs with other tabs among their children, and those.
fn nested_tabs(tiles: &Tiles<Panel>) -> Option<(TileId, TileId)> {
    let is_tabs = |id: &TileId| matches!(tiles.get(*id), Some(Tile::Container(Container::Tabs(_))));
    tiles.iter().find_map(|(outer, tile)| match tile {
        Tile::Container(Container::Tabs(tabs)) => {
            tabs.children.iter().find(|child| is_tabs(child)).map(|inner| (*outer, *inner))
        }
        _ => None,
    })
}

/// How the panels look and what may be done with them.
struct Docking<'a> {
    draw: &'a mut dyn FnMut(&mut egui::Ui, Panel),
}

impl Behavior<Panel> for Docking<'_> {
    fn pane_ui(&mut self, ui: &mut egui::Ui, _tile: TileId, panel: &mut Panel) -> UiResponse {
        let theme = Theme::of(ui.ctx());
        ui.painter().rect_filled(ui.max_rect(), 0.0, theme.surface);
        (self.draw)(ui, *panel);
        UiResponse::None
    }

    fn tab_title_for_pane(&mut self, panel: &Panel) -> egui::WidgetText {
        panel.name().into()
    }

    /// A split that is a tab is named after its panels.
    fn tab_title_for_tile(&mut self, tiles: &Tiles<Panel>, tile: TileId) -> egui::WidgetText {
        let (mut names, mut ahead) = (Vec::new(), vec![tile]);
        while let Some(tile) = ahead.pop() {
            match tiles.get(tile) {
                Some(Tile::Pane(panel)) => names.push(panel.name()),
                Some(Tile::Container(container)) => ahead.extend(container.children()),
                None => {}
            }
        }
        names.reverse();
        names.join(", ").into()
    }

    fn is_tab_closable(&self, _tiles: &Tiles<Panel>, _tile: TileId) -> bool {
        true
    }

    /// A panel that is closed is hidden, so that it comes back where it was.
    fn on_tab_close(&mut self, tiles: &mut Tiles<Panel>, tile: TileId) -> bool {
        tiles.set_visible(tile, false);
        false
    }

    fn simplification_options(&self) -> SimplificationOptions {
        SimplificationOptions { all_panes_must_have_tabs: true, ..SimplificationOptions::default() }
    }

    fn gap_width(&self, _style: &egui::Style) -> f32 {
        2.0
    }

    fn min_size(&self) -> f32 {
        120.0
    }

    fn tab_bar_color(&self, visuals: &egui::Visuals) -> egui::Color32 {
        Theme::of_visuals(visuals).background
    }

    fn tab_bg_color(
        &self,
        visuals: &egui::Visuals,
        _tiles: &Tiles<Panel>,
        _tile: TileId,
        state: &TabState,
    ) -> egui::Color32 {
        let theme = Theme::of_visuals(visuals);
        if state.active { theme.surface } else { theme.background }
    }

    fn tab_text_color(
        &self,
        visuals: &egui::Visuals,
        _tiles: &Tiles<Panel>,
        _tile: TileId,
        state: &TabState,
    ) -> egui::Color32 {
        let theme = Theme::of_visuals(visuals);
        if state.active { theme.text } else { theme.weak }
    }

    fn on_edit(&mut self, _action: EditAction) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layout_is_kept_as_text_and_comes_back() {
        let mut layout = Layout::default();
        assert_eq!(layout.shown(), [Panel::Board, Panel::Plans, Panel::Timeline]);
        layout.toggle(Panel::Run);
        layout.toggle(Panel::Timeline);
        let text = serde_json::to_string(&layout).unwrap();
        let back: Layout = serde_json::from_str(&text).unwrap();
        let back = back.checked().unwrap();
        assert_eq!(back.shown(), [Panel::Board, Panel::Run]);
    }

    #[test]
    fn tabs_among_tabs_lie_beside_them() {
        let mut tiles = Tiles::default();
        let [board, plans, timeline, run] = Panel::ALL.map(|panel| tiles.insert_pane(panel));
        let innermost = tiles.insert_tab_tile(vec![timeline]);
        let inner = tiles.insert_tab_tile(vec![plans, innermost]);
        let outer = tiles.insert_tab_tile(vec![board, inner, run]);
        let mut layout = Layout(Tree::new(Id::unique("nested"), outer, tiles));
        layout.reveal(Panel::Timeline);
        layout.flatten();
        let Some(Tile::Container(tabs)) = layout.0.tiles.get(outer) else { panic!("no tabs") };
        let children: Vec<TileId> = tabs.children().copied().collect();
        assert_eq!(children, [board, plans, timeline, run]);
        assert_eq!(layout.shown(), [Panel::Timeline]);
        assert!(layout.checked().is_some());
    }

    #[test]
    fn a_split_that_is_a_tab_is_named_after_its_panels() {
        let mut tiles = Tiles::default();
        let panes = Panel::ALL.map(|panel| tiles.insert_pane(panel));
        let split = tiles.insert_horizontal_tile(vec![panes[0], panes[2]]);
        let mut docking = Docking { draw: &mut |_, _| {} };
        assert_eq!(docking.tab_title_for_tile(&tiles, split).text(), "Board, Timeline");
    }

    #[test]
    fn a_layout_without_a_panel_or_with_one_twice_is_refused() {
        let layout = |panels: Vec<Panel>| Layout(Tree::new_tabs(Id::unique("broken"), panels));
        assert!(layout(vec![Panel::Board]).checked().is_none());
        assert!(layout([Panel::ALL.to_vec(), vec![Panel::Run]].concat()).checked().is_none());
        assert!(layout(Panel::ALL.to_vec()).checked().is_some());
    }

    #[test]
    fn a_layout_that_goes_in_a_circle_is_refused() {
        let mut tiles = Tiles::default();
        let panes = Panel::ALL.map(|panel| tiles.insert_pane(panel)).to_vec();
        let inner = tiles.insert_tab_tile(panes);
        let outer = tiles.insert_tab_tile(vec![inner]);
        if let Some(Tile::Container(container)) = tiles.get_mut(inner) {
            container.add_child(outer);
        }
        assert!(Layout(Tree::new(Id::unique("circle"), outer, tiles)).checked().is_none());
    }
}
