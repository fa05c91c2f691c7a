//! Where the panels are. They dock, and where they were left is kept from one day to the next.

use std::collections::BTreeSet;

use eframe::egui::{self, Id};
use egui_tiles::{
    Behavior, Container, EditAction, Linear, LinearDir, SimplificationOptions, TabState, Tile,
    TileId, Tiles, Tree, UiResponse,
};
use serde::{Deserialize, Serialize};

use crate::panel_info::{PanelInfo, Side};
use crate::theme::Theme;

/// The layout of the panels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Layout(Tree<String>);

/// The share of the width that the column at the left has.
const LEFT: f32 = 0.74;

impl Layout {
    /// The panels as they are at first: those of the left side below each other, each in tabs of
    /// its own; at their right the others, one in front of the other.
    #[must_use]
    pub fn of(panels: &[PanelInfo]) -> Self {
        let mut tiles = Tiles::default();
        let (mut left, mut right) = (Vec::new(), Vec::new());
        for panel in panels {
            let pane = tiles.insert_pane(panel.id.to_owned());
            match panel.side {
                Side::Left => left.push(pane),
                Side::Right => right.push(pane),
            }
        }
        let left = left.into_iter().map(|pane| tiles.insert_tab_tile(vec![pane])).collect();
        let right = tiles.insert_tab_tile(right);
        let left = tiles.insert_container(Linear::new(LinearDir::Vertical, left));
        let split = Linear::new_binary(LinearDir::Horizontal, [left, right], LEFT);
        let root = tiles.insert_container(Container::Linear(split));
        Self(Tree::new(Id::unique("panels"), root, tiles))
    }

    /// The layout that was kept, if it has every panel exactly once.
    #[must_use]
    pub fn checked(self, all: &[PanelInfo]) -> Option<Self> {
        let tiles = &self.0.tiles;
        let mut reached = BTreeSet::new();
        let mut ahead: Vec<TileId> = self.0.root().into_iter().collect();
        let mut panels: Vec<&str> = Vec::new();
        while let Some(id) = ahead.pop() {
            // A tile that is reached twice would be drawn twice, or without end.
            if !reached.insert(id.0) {
                return None;
            }
            match tiles.get(id)? {
                Tile::Pane(panel) => panels.push(panel),
                Tile::Container(container) => ahead.extend(container.children()),
            }
        }
        let mut all: Vec<&str> = all.iter().map(|panel| panel.id).collect();
        all.sort_unstable();
        panels.sort_unstable();
        (panels == all).then_some(self)
    }

    /// The panels that are seen: neither hidden nor behind another tab.
    #[must_use]
    pub fn shown(&self) -> Vec<String> {
        let seen = self.0.active_tiles();
        let panes = seen.into_iter().filter_map(|tile| match self.0.tiles.get(tile) {
            Some(Tile::Pane(panel)) => Some(panel.clone()),
            _ => None,
        });
        panes.collect()
    }

    fn shows(&self, panel: &str) -> bool {
        self.shown().iter().any(|shown| shown == panel)
    }

    fn tile(&self, panel: &str) -> Option<TileId> {
        self.0.tiles.find_pane(&panel.to_owned())
    }

    /// Shows a panel that is hidden or behind another, hides one that is seen.
    pub fn toggle(&mut self, panel: &str) {
        match self.tile(panel) {
            Some(tile) if self.shows(panel) => self.0.tiles.set_visible(tile, false),
            _ => self.reveal(panel),
        }
    }

    /// Shows a panel, in front of the tabs beside it.
    pub fn reveal(&mut self, panel: &str) {
        if let Some(tile) = self.tile(panel) {
            self.0.tiles.set_visible(tile, true);
            self.0.make_active(|id, _| id == tile);
        }
    }

    /// Draws the panels. `draw` draws the inside of one, `title` is what its tab says.
    pub fn show(
        &mut self,
        ui: &mut egui::Ui,
        title: &dyn Fn(&str) -> &'static str,
        draw: &mut dyn FnMut(&mut egui::Ui, &str),
    ) {
        let theme = Theme::of(ui.ctx());
        ui.painter().rect_filled(ui.available_rect_before_wrap(), 0.0, theme.background);
        if self.shown().is_empty() {
            ui.centered_and_justified(|ui| {
                ui.label("All panels are hidden. The View menu shows them, or puts them back.");
            });
            return;
        }
        self.0.ui(&mut Docking { title, draw }, ui);
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
fn nested_tabs(tiles: &Tiles<String>) -> Option<(TileId, TileId)> {
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
    title: &'a dyn Fn(&str) -> &'static str,
    draw: &'a mut dyn FnMut(&mut egui::Ui, &str),
}

impl Behavior<String> for Docking<'_> {
    fn pane_ui(&mut self, ui: &mut egui::Ui, _tile: TileId, panel: &mut String) -> UiResponse {
        let theme = Theme::of(ui.ctx());
        ui.painter().rect_filled(ui.max_rect(), 0.0, theme.surface);
        (self.draw)(ui, panel);
        UiResponse::None
    }

    fn tab_title_for_pane(&mut self, panel: &String) -> egui::WidgetText {
        (self.title)(panel).into()
    }

    /// A split that is a tab is named after its panels.
    fn tab_title_for_tile(&mut self, tiles: &Tiles<String>, tile: TileId) -> egui::WidgetText {
        let (mut names, mut ahead) = (Vec::new(), vec![tile]);
        while let Some(tile) = ahead.pop() {
            match tiles.get(tile) {
                Some(Tile::Pane(panel)) => names.push((self.title)(panel)),
                Some(Tile::Container(container)) => ahead.extend(container.children()),
                None => {}
            }
        }
        names.reverse();
        names.join(", ").into()
    }

    fn is_tab_closable(&self, _tiles: &Tiles<String>, _tile: TileId) -> bool {
        true
    }

    /// A panel that is closed is hidden, so that it comes back where it was.
    fn on_tab_close(&mut self, tiles: &mut Tiles<String>, tile: TileId) -> bool {
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
        _tiles: &Tiles<String>,
        _tile: TileId,
        state: &TabState,
    ) -> egui::Color32 {
        let theme = Theme::of_visuals(visuals);
        if state.active { theme.surface } else { theme.background }
    }

    fn tab_text_color(
        &self,
        visuals: &egui::Visuals,
        _tiles: &Tiles<String>,
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
    use crate::panels::INFOS;

    fn ids() -> [String; INFOS.len()] {
        INFOS.map(|panel| panel.id.to_owned())
    }

    fn shown(layout: &Layout) -> Vec<String> {
        let mut shown = layout.shown();
        shown.sort_unstable();
        shown
    }

    #[test]
    fn a_layout_is_kept_as_text_and_comes_back() {
        let mut layout = Layout::of(&INFOS);
        assert_eq!(shown(&layout), ["board", "plans", "timeline"]);
        layout.toggle("run");
        layout.toggle("timeline");
        let text = serde_json::to_string(&layout).unwrap();
        let back: Layout = serde_json::from_str(&text).unwrap();
        assert_eq!(back, layout);
        let back = back.checked(&INFOS).unwrap();
        assert_eq!(shown(&back), ["board", "run"]);
    }

    #[test]
    fn tabs_among_tabs_lie_beside_them() {
        let mut tiles = Tiles::default();
        let panes = ids().map(|panel| tiles.insert_pane(panel));
        let [board, plans, timeline, others @ ..] = panes;
        let innermost = tiles.insert_tab_tile(vec![timeline]);
        let inner = tiles.insert_tab_tile(vec![plans, innermost]);
        let outer = tiles.insert_tab_tile([&[board, inner], &others[..]].concat());
        let mut layout = Layout(Tree::new(Id::unique("nested"), outer, tiles));
        layout.reveal("timeline");
        layout.flatten();
        let Some(Tile::Container(tabs)) = layout.0.tiles.get(outer) else { panic!("no tabs") };
        let children: Vec<TileId> = tabs.children().copied().collect();
        assert_eq!(children, panes);
        assert_eq!(layout.shown(), ["timeline"]);
        assert!(layout.checked(&INFOS).is_some());
    }

    #[test]
    fn a_split_that_is_a_tab_is_named_after_its_panels() {
        let mut tiles = Tiles::default();
        let panes = ids().map(|panel| tiles.insert_pane(panel));
        let split = tiles.insert_horizontal_tile(vec![panes[0], panes[2]]);
        let title = |id: &str| INFOS.iter().find(|it| it.id == id).map_or("", |it| it.title);
        let mut docking = Docking { title: &title, draw: &mut |_, _| {} };
        assert_eq!(docking.tab_title_for_tile(&tiles, split).text(), "Board, Timeline");
    }

    #[test]
    fn a_layout_without_a_panel_or_with_one_twice_is_refused() {
        let is_whole = |panels: Vec<String>| {
            Layout(Tree::new_tabs(Id::unique("broken"), panels)).checked(&INFOS).is_some()
        };
        assert!(!is_whole(vec!["board".to_owned()]));
        assert!(!is_whole([ids().to_vec(), vec!["run".to_owned()]].concat()));
        assert!(is_whole(ids().to_vec()));
    }

    #[test]
    fn a_layout_that_goes_in_a_circle_is_refused() {
        let mut tiles = Tiles::default();
        let panes = ids().map(|panel| tiles.insert_pane(panel)).to_vec();
        let inner = tiles.insert_tab_tile(panes);
        let outer = tiles.insert_tab_tile(vec![inner]);
        if let Some(Tile::Container(container)) = tiles.get_mut(inner) {
            container.add_child(outer);
        }
        assert!(Layout(Tree::new(Id::unique("circle"), outer, tiles)).checked(&INFOS).is_none());
    }
}
