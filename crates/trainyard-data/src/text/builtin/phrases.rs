//! The words and phrases of the yard. `{slot}`s are filled in from the scene of the paragraph.

pub(super) const TRAINS: &[&str] =
    &["Goods", "Mail", "Express", "Milk Train", "Night Mail", "Local"];

pub(super) const PEOPLE: &[&str] = &[
    "Ada", "Bruno", "Clara", "Dora", "Edgar", "Frida", "Greta", "Henry", "Ida", "Jonas", "Karl",
    "Lena", "Marta", "Nils", "Olga", "Paul", "Rosa", "Tom",
];

pub(super) const ENGINES: &[&str] = &[
    "Old Bess",
    "the Black Duke",
    "Little Anna",
    "the Tin Queen",
    "Iron Molly",
    "the Grey Mare",
    "Big Oskar",
    "the Snail",
];

pub(super) const PLACES: &[&str] = &[
    "Amberford",
    "Birch Hill",
    "Cold Harbour",
    "Dunmoor",
    "Eastgate",
    "Fell End",
    "Greenholm",
    "Hazel Bridge",
    "Kingsmouth",
    "Long Meadow",
    "Millbrook",
    "Northquay",
    "Otterlake",
    "Saltby",
    "Thornwick",
    "Westerly",
];

pub(super) const LOADS: &[&str] = &[
    "coal",
    "timber",
    "barley",
    "milk",
    "salt",
    "bricks",
    "apples",
    "wool",
    "iron ore",
    "sugar beet",
    "potatoes",
    "paper",
    "gravel",
    "cheese",
    "umbrellas",
    "clocks",
];

pub(super) const ANIMALS: &[&str] =
    &["cow", "goose", "goat", "hedgehog", "very small dog", "cat", "swan", "donkey", "hen"];

pub(super) const WEATHER: &[&str] =
    &["rain", "fog", "snow", "frost", "wind", "hail", "bright sun", "drizzle", "thunder"];

pub(super) const FOOD: &[&str] = &[
    "tea",
    "soup",
    "plum cake",
    "bread and butter",
    "pea soup",
    "a boiled egg",
    "hot pie",
    "coffee",
];

pub(super) const COLOURS: &[&str] = &["red", "green", "white", "yellow", "blue"];

pub(super) const FAULTS: &[&str] = &[
    "a hot axle",
    "a loose coupling",
    "a cracked lamp",
    "a squeaking brake",
    "a frozen point",
    "a leaking tank",
    "a stuck whistle",
    "a missing bolt",
];

pub(super) const EVENTS: &[&str] = &[
    "{driver} reports {fault} on wagon {wagons}.",
    "{engine} is coupled to {train}.",
    "The last wagon is moved from track {track} to track {track2}.",
    "Track {track2} is closed because of {weather}.",
    "Track {track2} is clear again.",
    "A {animal} stands on track {track2}. All trains wait.",
    "The {animal} has left the yard by itself.",
    "{other} finds {fault} and mends it.",
    "Weight of the {load}: {sum} tons, as it should be.",
    "Brake test of {train}: good.",
    "Brake test of {train}: not good. Once more.",
    "{driver} takes on water and {food}.",
    "The {colour} lamp on track {track} is out. {other} lights it.",
    "Two wagons of {load2} are found that nobody asked for.",
    "The signal for track {track} shows {colour}.",
    "{other} counts the wagons: {wagons}. That is right.",
    "Snow is swept from the points by {other}.",
    "{train} waits {minutes} minutes for the mail.",
    "{engine} blows its whistle twice.",
    "Nothing happens. {other} writes it down.",
];

pub(super) const OPENINGS: &[&str] = &[
    "SIGNAL BOX: {train}, where are you?\nDRIVER: On track {track}, with {wagons} wagons of {load}.",
    "DRIVER: Signal box, this is {driver} on {train}. May I come in?\nSIGNAL BOX: Come in on track {track}, {driver}. Slowly, please.",
    "SIGNAL BOX: Who is standing on track {track}?\nDRIVER: It is {driver}, with {train} for {place}.",
    "DRIVER: Good morning, {other}. Here is {train}.\nSIGNAL BOX: Good morning, {driver}. Track {track} is yours.",
    "SIGNAL BOX: {driver}, your signal has been green for {minutes} minutes.\nDRIVER: I know, {other}. We are waiting for the {load}.",
];

pub(super) const EXCHANGES: &[&str] = &[
    "SIGNAL BOX: How heavy are you?\nDRIVER: {wagons} wagons, {each} tons each. That makes {sum} tons.",
    "DRIVER: There is a {animal} on track {track2}.\nSIGNAL BOX: Ring the bell at it.\nDRIVER: I did. It is a proud {animal}.",
    "DRIVER: My fireman has found {fault}.\nSIGNAL BOX: Can you mend it?\nDRIVER: Give us {minutes} minutes.",
    "SIGNAL BOX: Can you see my signal?\nDRIVER: I can see nothing but {weather}.",
    "SIGNAL BOX: Did you tie down the {load}?\nDRIVER: As tight as a drum.",
    "DRIVER: Why is the lamp {colour}?\nSIGNAL BOX: Because the other lamp is broken, {driver}.",
    "SIGNAL BOX: Do you have room for {wagons2} wagons of {load2}?\nDRIVER: Not today. Ask {engine}.",
    "DRIVER: Is there any {food} in the signal box?\nSIGNAL BOX: There was, before you asked.",
    "SIGNAL BOX: {engine} must pass you first.\nDRIVER: Then I will wait on track {track}.",
    "DRIVER: May I take track {track2}?\nSIGNAL BOX: No. Track {track2} is full of {load2}.",
    "SIGNAL BOX: What do you carry?\nDRIVER: {load}, {other}. As every day, {load}.",
];

pub(super) const CLOSINGS: &[&str] = &[
    "SIGNAL BOX: {train}, track {track} is clear. Off you go to {place}.\nDRIVER: Thank you, {other}. Good night.",
    "SIGNAL BOX: Your time is {departure}, {driver}.\nDRIVER: {departure} it is. See you in {place}.",
    "DRIVER: Then {train} is ready for {place}.\nSIGNAL BOX: Green for track {track}. Mind the {animal}.",
    "SIGNAL BOX: You may leave at {departure}.\nDRIVER: And not a minute before. Over and out.",
];

pub(super) const ANNOUNCEMENTS: &[&str] = &[
    "Attention on track {track}: {train} to {place} leaves at {departure}.",
    "{train} to {place} is {minutes} minutes late because of {weather}. We are sorry.",
    "{train} to {place} is late because of a {animal} on track {track2}. The {animal} is not sorry.",
    "Please step back from track {track}. {train} to {place} does not stop here.",
    "Would the owner of the {animal} on track {track} please come to the signal box?",
    "{train} to {place} leaves today from track {track}, not from track {track2}.",
];

pub(super) const REMARKS: &[&str] = &[
    "It is drawn by {engine}; your driver is {driver}.",
    "There is {food} in the last wagon until {departure}.",
    "Passengers with {load} go to the end of the train, please.",
    "{driver} wishes you a pleasant journey to {place}.",
    "Those who wait for {engine} may wait with {food}.",
    "Thank you. The yard is open day and night, in {weather} and in {weather2}.",
];

pub(super) const RHYMES: &[&[&str]] = &[
    &[
        "The lamps along the yard are bright",
        "{engine} goes rolling through the night",
        "The {colour} one is the signal light",
        "We turn to left, we turn to right",
        "And {place} is almost out of sight",
    ],
    &[
        "Oh, {driver} drives a heavy train",
        "We wait for {weather}, we wait for rain",
        "We carry {load}, we carry grain",
        "Now couple her up and off again",
        "Down we go by the old main lane",
    ],
    &[
        "The wagons roll along the track",
        "{engine} is old, {engine} is black",
        "We go to {place} and then come back",
        "With {wagons} wagons and never a slack",
        "With {load} in every single sack",
    ],
    &[
        "She drinks her water, she makes her steam",
        "I saw {place} in a dream",
        "The rails in the morning gleam",
        "The wheels and the rails are a team",
    ],
    &[
        "Oh, {other} stands beside the gate",
        "We carry {load}, a heavy freight",
        "It was half past {wagons} and we were late",
        "A {animal} on the line can make you wait",
    ],
    &[
        "The points are white with frost and snow",
        "The signal says that we may go",
        "The hill is high, the engine slow",
        "The wind from {place} begins to blow",
    ],
    &[
        "There is no place like this old yard",
        "The hay is soft, the brake is hard",
        "Said {driver} the driver to {other} the guard",
        "He sent {other} a picture card",
    ],
    &[
        "At {place} you can hear the bell",
        "What is in the wagon I cannot tell",
        "We know this line and we know it well",
        "It carries {load}, as you can smell",
    ],
];

pub(super) const REFRAINS: &[&str] = &[
    "Roll on, roll on, roll on to {place}!",
    "Clack, clack, over the points we go!",
    "Track {track} is clear, my dear, track {track} is clear!",
];

pub(super) const BEGINNINGS: &[&str] = &[
    "Once {driver} drove {train} to {place} with {wagons} wagons of {load}.",
    "In the great {weather} of that year, {train} stood on track {track} for {minutes} days.",
    "They say that {engine} once pulled {sum} tons of {load} to {place}.",
    "When {driver} was young, there was a {animal} living on track {track}.",
    "Nobody knows who painted {engine} {colour}.",
];

pub(super) const MIDDLES: &[&str] = &[
    "{other} said that it could not be done, and {driver} had some {food} and did it.",
    "{driver} blew the whistle, and all the {load} fell out.",
    "At {departure} the bell rang, though there was nobody to ring it.",
    "{driver} asked the signal box, and the signal box asked {other}, and {other} asked the {animal}.",
    "Half way to {place} there was {fault}, and then there was {weather}.",
    "{other} came with a lamp, and with {food}, and they talked until the signal was {colour}.",
];

pub(super) const ENDS: &[&str] = &[
    "In the end the train came to {place}, {minutes} minutes late.",
    "To this day you can find {load} beside the line to {place}.",
    "And {driver} never spoke of it again.",
    "That is why track {track} is still called the {animal} track.",
    "{engine} went home alone.",
    "{other} wrote it all down, but the {animal} ate the paper.",
];
