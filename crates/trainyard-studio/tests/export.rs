//! Pictures of user interfaces: what is drawn headless is in the SVG, well-formed and in its place.

use eframe::egui::epaint::{CubicBezierShape, EllipseShape, Mesh, RectShape, Vertex, WHITE_UV};
use eframe::egui::text::LayoutJob;
use eframe::egui::{
    self, Align2, Color32, Context, CornerRadius, FontId, Pos2, Rect, RichText, Shape, Stroke,
    StrokeKind, TextFormat, Ui, pos2, vec2,
};
use roxmltree::{Document, Node};
use trainyard_studio::export::svg::{self, Svg};
use trainyard_studio::theme;

const SIZE: egui::Vec2 = vec2(400.0, 300.0);

fn context() -> Context {
    let context = Context::default();
    theme::install(&context);
    context.set_theme(egui::Theme::Dark);
    context
}

/// What is painted straight onto the page.
fn painted(paint: impl Fn(&egui::Painter)) -> Svg {
    svg::draw(&context(), SIZE, |ui| paint(ui.painter()))
}

fn rect(x: f32, y: f32, width: f32, height: f32) -> Rect {
    Rect::from_min_size(pos2(x, y), vec2(width, height))
}

/// All elements of that name behind the background.
fn all<'a>(document: &'a Document<'_>, name: &str) -> Vec<Node<'a, 'a>> {
    let elements = document.descendants().filter(|node| node.has_tag_name(name));
    elements
        .filter(|node| node.parent_element().is_some_and(|p| !p.has_tag_name("clipPath")))
        .collect()
}

fn attribute<'a>(node: &Node<'a, '_>, name: &str) -> &'a str {
    node.attribute(name).unwrap_or_default()
}

fn number(node: &Node<'_, '_>, name: &str) -> f32 {
    attribute(node, name).parse().unwrap_or(f32::NAN)
}

fn hex(colour: Color32) -> String {
    format!("#{:02x}{:02x}{:02x}", colour.r(), colour.g(), colour.b())
}

#[test]
fn rectangles_lines_circles_and_curves_are_where_they_were_painted() {
    let colour = theme::DARK.forward;
    let svg = painted(|painter| {
        let stroke = Stroke::new(2.0, colour);
        painter.rect_filled(rect(10.0, 20.0, 30.5, 40.0), 4.0, colour.gamma_multiply(0.5));
        painter.rect_stroke(rect(60.0, 20.0, 30.0, 40.0), 0.0, stroke, StrokeKind::Inside);
        let corners = CornerRadius { nw: 8, ..CornerRadius::ZERO };
        painter.rect_filled(rect(100.0, 20.0, 30.0, 40.0), corners, colour);
        painter.line_segment([pos2(1.0, 2.0), pos2(3.0, 4.0)], stroke);
        painter.circle_filled(pos2(50.0, 100.0), 5.0, colour);
        let mut ellipse = EllipseShape::filled(pos2(90.0, 100.0), vec2(9.0, 4.0), colour);
        ellipse.angle = std::f32::consts::FRAC_PI_2;
        painter.add(ellipse);
        let points = [pos2(0.0, 200.0), pos2(50.0, 150.0), pos2(60.0, 250.0), pos2(90.0, 200.0)];
        painter.add(CubicBezierShape::from_points_stroke(
            points,
            false,
            Color32::TRANSPARENT,
            stroke,
        ));
        painter.add(Shape::line(points.to_vec(), stroke));
    });
    let document = Document::parse(&svg.text).unwrap();
    assert_eq!(svg.left_out, 0);
    let rects = all(&document, "rect");
    assert_eq!(rects[0].attribute("fill"), Some(hex(theme::DARK.surface).as_str()), "background");
    assert_eq!(attribute(&rects[1], "width"), "30.5");
    assert_eq!(attribute(&rects[1], "rx"), "4");
    assert_eq!(attribute(&rects[1], "fill-opacity"), "0.5");
    assert_eq!(rects[2].attribute("stroke"), Some(hex(colour).as_str()));
    assert_eq!((attribute(&rects[2], "x"), attribute(&rects[2], "width")), ("61", "28"));
    assert_eq!(rects[2].attribute("fill"), Some("none"));
    let line = all(&document, "line")[0];
    assert_eq!((attribute(&line, "x1"), attribute(&line, "y2")), ("1", "4"));
    assert_eq!(attribute(&line, "stroke-width"), "2");
    assert_eq!(attribute(&all(&document, "circle")[0], "r"), "5");
    assert_eq!(all(&document, "ellipse")[0].attribute("transform"), Some("rotate(90 90 100)"));
    let paths: Vec<_> = all(&document, "path").iter().map(|n| n.attribute("d").unwrap()).collect();
    assert_eq!(
        paths[0],
        "M108,20h22a0,0 0 0 1 0,0v40a0,0 0 0 1 0,0h-30a0,0 0 0 1 0,0v-32a8,8 0 0 1 8,-8z"
    );
    assert_eq!(paths[1], "M0,200C50,150 60,250 90,200");
    assert_eq!(paths[2], "M0,200L50,150L60,250L90,200");
}

#[test]
fn text_is_text_with_its_markup_escaped_and_its_formats_apart() {
    let svg = svg::draw(&context(), SIZE, |ui| {
        ui.label("a <b> & \"c\" ]]> 層 ü");
        ui.label(RichText::new("plain ").monospace().size(20.0).underline());
        let mut job = LayoutJob::default();
        let format = |colour| TextFormat::simple(FontId::proportional(12.0), colour);
        job.append("red\nand ", 0.0, format(theme::DARK.bad));
        job.append("green", 0.0, format(theme::DARK.good));
        ui.label(job);
        ui.add(egui::Label::new("x".repeat(200)).truncate());
    });
    let document = Document::parse(&svg.text).unwrap();
    let texts = all(&document, "text");
    assert!(texts[0].attribute("textLength").is_none(), "no font has 層");
    let words: Vec<_> = texts.iter().filter_map(Node::text).collect();
    assert_eq!(words[..2], ["a <b> & \"c\" ]]> 層 ü", "plain "]);
    assert_eq!(words[2..5], ["red", "and ", "green"]);
    assert!(words[5].starts_with("xxx") && words[5].ends_with('…') && words[5].len() < 200);
    assert!(texts[1].attribute("font-family").unwrap().starts_with("Hack"));
    assert_eq!(attribute(&texts[1], "font-size"), "20");
    assert_eq!(texts[1].attribute("text-decoration"), Some("underline"));
    let fill = |index: usize| texts[index].attribute("fill").unwrap();
    assert_eq!([fill(2), fill(3)], [hex(theme::DARK.bad).as_str(); 2]);
    assert_eq!(fill(4), hex(theme::DARK.good));
    // Side by side, and below the row before.
    assert_eq!(attribute(&texts[3], "y"), attribute(&texts[4], "y"));
    assert!(number(&texts[3], "y") > number(&texts[2], "y"));
    let end = number(&texts[3], "x") + number(&texts[3], "textLength");
    assert!((number(&texts[4], "x") - end).abs() < 0.1);
}

#[test]
fn only_what_sticks_out_is_clipped_and_clips_are_shared() {
    let svg = painted(|painter| {
        let clip = rect(50.0, 50.0, 100.0, 100.0);
        let clipped = painter.with_clip_rect(clip);
        for y in [40.0, 60.0] {
            clipped.rect_filled(rect(140.0, y, 50.0, 15.0), 0.0, theme::DARK.good);
        }
        clipped.rect_filled(rect(60.0, 60.0, 10.0, 10.0), 0.0, theme::DARK.bad);
        clipped.rect_filled(rect(300.0, 60.0, 10.0, 10.0), 0.0, theme::DARK.warn);
        painter.with_clip_rect(clip).circle_filled(pos2(50.0, 50.0), 9.0, theme::DARK.accent);
    });
    let document = Document::parse(&svg.text).unwrap();
    let clips: Vec<_> = document.descendants().filter(|n| n.has_tag_name("clipPath")).collect();
    assert_eq!(clips.len(), 1);
    assert_eq!(attribute(&clips[0].first_element_child().unwrap(), "width"), "100");
    let of = |colour: Color32| {
        let fill = hex(colour);
        document.descendants().find(|node| node.attribute("fill") == Some(fill.as_str()))
    };
    let clip_of = |colour| of(colour).unwrap().parent_element().unwrap().attribute("clip-path");
    assert_eq!(clip_of(theme::DARK.good), Some("url(#c0)"));
    assert_eq!(clip_of(theme::DARK.accent), Some("url(#c0)"));
    assert_eq!(clip_of(theme::DARK.bad), None);
    assert!(of(theme::DARK.warn).is_none(), "outside its clip");
}

#[test]
fn triangles_are_joined_by_colour_and_images_are_counted() {
    let (blue, teal) = (theme::DARK.forward, theme::DARK.input_grad);
    let svg = painted(|painter| {
        let mut mesh = Mesh::default();
        mesh.add_colored_rect(rect(10.0, 10.0, 20.0, 20.0), blue);
        mesh.add_colored_rect(rect(40.0, 10.0, 20.0, 20.0), blue);
        mesh.add_colored_rect(rect(70.0, 10.0, 20.0, 20.0), teal);
        painter.add(mesh);
        let mut broken = Mesh::default();
        broken.vertices.push(Vertex { pos: Pos2::ZERO, uv: WHITE_UV, color: blue });
        broken.indices.extend([0, 7, 9]);
        painter.add(broken);
        painter.add(
            RectShape::filled(rect(0.0, 50.0, 9.0, 9.0), 0.0, blue)
                .with_texture(egui::TextureId::User(1), rect(0.0, 0.0, 1.0, 1.0)),
        );
    });
    let document = Document::parse(&svg.text).unwrap();
    let paths = all(&document, "path");
    assert_eq!(paths.len(), 2);
    assert_eq!(paths[0].attribute("d").unwrap().matches('M').count(), 2);
    assert_eq!(paths[0].attribute("fill"), Some(hex(blue).as_str()));
    assert_eq!(paths[1].attribute("d").unwrap().matches('L').count(), 3);
    assert_eq!(svg.left_out, 1);
}

#[test]
fn numbers_that_are_none_and_endless_shapes_stay_well_formed() {
    let svg = painted(|painter| {
        let colour = theme::DARK.text;
        painter.rect_filled(Rect::EVERYTHING, 0.0, colour);
        painter.rect_filled(Rect::NAN, 3.0, colour);
        painter.circle_filled(pos2(f32::NAN, 3.0), f32::INFINITY, colour);
        painter.line_segment([Pos2::ZERO, pos2(f32::INFINITY, 0.0)], Stroke::new(1.0, colour));
        painter.add(Shape::line(vec![], Stroke::new(1.0, colour)));
        painter.add(Shape::Vec(vec![Shape::Noop, Shape::Vec(vec![])]));
        painter.text(Pos2::ZERO, Align2::LEFT_TOP, "a\u{1}\u{FFFF}b", FontId::default(), colour);
    });
    Document::parse(&svg.text).unwrap();
    assert!(!svg.text.contains("NaN") && !svg.text.contains("inf"), "{}", svg.text);
}

/// A sample with a bit of everything that the studio's panels use.
fn sample(ui: &mut Ui) {
    ui.heading("Board: <gpt> & friends");
    ui.horizontal(|ui| {
        let _ = ui.button("Use my devices…");
        ui.checkbox(&mut true, "Lock");
        ui.add(egui::Slider::new(&mut 6.0, 0.0..=8.0).text("GiB"));
    });
    ui.weak("weights 1.2 GiB · activations 340 MiB · größe");
    ui.monospace("trainyard train run.toml --plan plan.json");
    let (area, _) = ui.allocate_exact_size(vec2(360.0, 60.0), egui::Sense::hover());
    let painter = ui.painter_at(area);
    let colours = [theme::DARK.forward, theme::DARK.backward, theme::DARK.optimizer];
    for (index, colour) in colours.into_iter().cycle().take(9).enumerate() {
        let block =
            Rect::from_min_size(area.min + vec2(index as f32 * 44.3, 0.0), vec2(40.0, 22.0));
        painter.rect_filled(block, 4.0, colour);
        let (at, font) = (block.center(), FontId::proportional(theme::size::SMALL));
        let text = format!("{index}F{index}");
        painter.text(at, Align2::CENTER_CENTER, text, font, theme::DARK.on_colour);
    }
    egui_plot::Plot::new("loss").height(90.0).show(ui, |plot| {
        let points: Vec<[f64; 2]> =
            (0..50).map(|x| [f64::from(x), 3.0 / f64::from(x + 1)]).collect();
        plot.line(egui_plot::Line::new("loss", points).color(theme::DARK.accent));
    });
}

/// Also keeps the picture, for eyes.
#[test]
fn a_panel_is_drawn_whole_and_the_same_twice() {
    let svg = svg::draw(&context(), SIZE, sample);
    assert_eq!(svg, svg::draw(&context(), SIZE, sample));
    assert_eq!(svg.left_out, 0);
    let document = Document::parse(&svg.text).unwrap();
    let words: Vec<_> = all(&document, "text").iter().filter_map(Node::text).collect();
    for word in ["Board: <gpt> & friends", "Use my devices…", "Lock", "GiB", "0F0", "7F7"] {
        assert!(words.contains(&word), "{word} of {words:?}");
    }
    std::fs::write(concat!(env!("CARGO_TARGET_TMPDIR"), "/sample.svg"), &svg.text).unwrap();
    let ids: std::collections::BTreeSet<_> =
        document.descendants().filter_map(|node| node.attribute("id")).collect();
    assert!(ids.len() < 12, "few clips: {ids:?}");
}

#[test]
fn it_takes_theme_and_fonts_from_the_context_it_is_to_look_like() {
    let context = context();
    context.set_theme(egui::Theme::Light);
    // As inside the running studio: fonts are loaded and a frame is under way.
    let mut inside = None;
    let output = context.run_ui(egui::RawInput::default(), |ui| {
        inside = Some(svg::draw(ui.ctx(), SIZE, |ui| {
            ui.label("light");
        }));
    });
    output.drop_without_applying_deltas();
    let svg = inside.unwrap();
    assert!(svg.text.contains(&hex(theme::LIGHT.surface)) && svg.text.contains(">light</text>"));
}

#[test]
fn the_timeline_is_written_with_its_actions() {
    use trainyard_studio::document::Document;
    use trainyard_studio::timeline::{Scene, Scenes, Source, Timeline};

    let document = Document::example().unwrap();
    let scene = Scene::new(&document.present().trace, Source::Predicted);
    let scenes = || Scenes { predicted: Some(&scene), ..Scenes::default() };
    let mut cursor = None;
    let context = Context::default();
    theme::install(&context);
    let svg = svg::draw(&context, vec2(1200.0, 600.0), |ui| {
        Timeline::default().as_shapes().show(ui, scenes(), &mut cursor);
    });
    assert_eq!(svg.left_out, 0);
    let forward = theme::Theme::of(&context).forward.to_hex();
    let drawn = svg.text.matches(&forward[..7]).count();
    assert!(drawn > 20, "{drawn} rectangles in the colour of forwards");
}

#[test]
fn the_graphics_card_paints_the_same_as_png() {
    let setup = egui_kittest::wgpu::default_wgpu_setup();
    let options = eframe::egui_wgpu::RendererOptions::PREDICTABLE;
    let graphics = egui_kittest::wgpu::create_render_state(setup, options);
    let colour = theme::DARK.good;
    let png = trainyard_studio::export::png::draw(&context(), SIZE, &graphics, |ui| {
        ui.painter().rect_filled(rect(10.0, 20.0, 30.0, 40.0), 0.0, colour);
        sample(ui);
    });
    let image = image::load_from_memory(&png.unwrap()).unwrap().to_rgb8();
    assert_eq!(image.dimensions(), (800, 600), "two pixels a point");
    let [r, g, b, _] = theme::DARK.surface.to_array();
    assert_eq!(image.get_pixel(799, 599).0, [r, g, b], "the background");
    let [r, g, b, _] = colour.to_array();
    assert!(image.pixels().filter(|pixel| pixel.0 == [r, g, b]).count() > 100);
}
