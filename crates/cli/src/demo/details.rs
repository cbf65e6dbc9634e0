//! What one conversation is about: its order, product, places and sums.
//!
//! Drawn once per thread, so that the order number of the first turn is the one
//! the tools see and the agent repeats. Everything is invented.

use std::borrow::Cow;

use chrono::{DateTime, Datelike, Duration, Utc};

use super::language::Language;
use super::random::Random;

/// A name, the kind of thing it is, and what it costs in euros.
type Product = (&'static str, &'static str, f64);

const PRODUCTS: &[Product] = &[
    ("Corrie 45 backpack", "backpack", 139.0),
    ("Lochan 22 daypack", "backpack", 79.9),
    ("Traverse 65 rucksack", "backpack", 219.0),
    ("Gannet 30 dry pack", "backpack", 94.5),
    ("Skerry 2 tent", "tent", 349.0),
    ("Bothy 4 family tent", "tent", 529.0),
    ("Solo Ridge tarp tent", "tent", 189.0),
    ("Machair 3 dome", "tent", 279.0),
    ("Ptarmigan down bag", "sleeping bag", 259.0),
    ("Hollow 0 sleeping bag", "sleeping bag", 149.0),
    ("Moss synthetic bag", "sleeping bag", 99.0),
    ("Cairn GTX boots", "pair of boots", 199.0),
    ("Strath trail shoes", "pair of shoes", 129.9),
    ("Bealach leather boots", "pair of boots", 239.0),
    ("Burn approach shoes", "pair of shoes", 114.9),
    ("Squall rain jacket", "jacket", 179.0),
    ("Haar softshell", "jacket", 119.0),
    ("Smirr ultralight shell", "jacket", 154.9),
    ("Drumlin fleece", "fleece", 69.9),
    ("Eider down jacket", "jacket", 249.0),
    ("Gorse gas stove", "stove", 54.9),
    ("Ember multifuel burner", "stove", 129.0),
    ("Peat titanium cook set", "cook set", 64.9),
    ("Glow 400 headlamp", "headlamp", 49.9),
    ("Beacon rechargeable lantern", "lantern", 39.9),
    ("Feather 5 sleeping mat", "sleeping mat", 109.0),
    ("Slate insulated mattress", "sleeping mat", 159.0),
    ("Kestrel carbon poles", "set of poles", 99.9),
    ("Birch trekking poles", "set of poles", 59.9),
    ("Tarn 1 L flask", "bottle", 34.9),
    ("Clearwater filter", "water filter", 44.9),
    ("Crag sit harness", "harness", 74.9),
    ("Knoll 60 m rope", "rope", 164.0),
    ("Scree gaiters", "pair of gaiters", 42.9),
    ("Rowan merino shirt", "base layer", 74.9),
    ("Heather hiking trousers", "pair of trousers", 89.9),
    ("Osprey kids carrier", "child carrier", 229.0),
    ("Compass Pro watch", "watch", 299.0),
];

const CITIES: &[&str] = &[
    "Leeds",
    "Bristol",
    "Inverness",
    "Cardiff",
    "Dublin",
    "Manchester",
    "Utrecht",
    "Copenhagen",
    "Berlin",
    "Munich",
    "Lyon",
    "Grenoble",
    "Madrid",
    "Bilbao",
    "Graz",
    "Innsbruck",
    "Zurich",
    "Ghent",
    "Porto",
    "Bergen",
    "Aberdeen",
    "York",
    "Galway",
    "Dresden",
    "Annecy",
    "Granada",
    "Turin",
    "Malmö",
];
const STREETS: &[&str] = &[
    "Mill Lane",
    "Station Road",
    "Harbour Street",
    "Rosengasse",
    "Rue des Lilas",
    "Calle Mayor",
    "High Street",
    "Church Walk",
    "Bergweg",
    "Canal Side",
    "Elm Grove",
    "Lindenallee",
    "Quai du Port",
    "Park Terrace",
    "Orchard Close",
];
const NAMES: &[&str] = &[
    "Anna", "Marcus", "Priya", "Tom", "Elena", "Jonas", "Sofia", "Liam", "Chloe", "Mateo", "Hannah", "Kofi",
    "Yuki", "Omar", "Freya", "Paul", "Ines", "Viktor", "Grace", "Diego", "Nadia", "Ben", "Lucía", "Felix",
];
const CARRIERS: &[&str] = &["Northpost", "Swiftly", "ParcelHop", "Blue Courier", "Wagtail"];
const COLORS: &[&str] =
    &["green", "dark blue", "orange", "black", "grey", "rust red", "sand", "teal", "yellow", "olive"];
const SIZES: &[&str] = &["S", "M", "L", "XL", "38", "41", "42", "43", "44.5", "46"];
const MOUNTAINS: &[&str] = &["Matterhorn", "Ben Nevis", "Zugspitze", "Mulhacén", "Snowdon", "Eiger", "Teide"];
const TOPICS: &[&str] = &[
    "sourdough",
    "black holes",
    "garden gnomes",
    "tax law",
    "the Roman empire",
    "penguins",
    "electric cars",
    "beekeeping",
    "string quartets",
    "pumpkin soup",
    "chess openings",
    "volcanoes",
    "goat cheese",
    "ocean plastic",
    "quantum computers",
    "umbrellas",
    "old maps",
    "lighthouses",
];

const TRIPS: [&[&str]; 4] = [
    &[
        "a week in Iceland",
        "the Camino",
        "my first winter night out",
        "a hut tour in the Alps",
        "cycling along the Danube",
        "a rainy week in Scotland",
        "two months in Patagonia",
        "weekend hikes with kids",
        "a via ferrata course",
        "trail running in summer",
        "a festival",
        "canoeing in Sweden",
    ],
    &["una semana en Islandia", "el Camino de Santiago", "una ruta por los Pirineos", "acampar con niños"],
    &["eine Hüttentour in den Alpen", "eine Woche Island", "den Jakobsweg", "Wochenenden mit Kindern"],
    &["une semaine en Islande", "le GR 20", "une randonnée de refuge en refuge", "camper avec des enfants"],
];

const WEEKDAYS: [[&str; 7]; 4] = [
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
    ["lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"],
    ["Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag"],
    ["lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"],
];
#[rustfmt::skip]
const MONTHS: [[&str; 12]; 4] = [
    ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"],
    ["enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre", "noviembre", "diciembre"],
    ["Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November", "Dezember"],
    ["janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre", "décembre"],
];

/// The facts one conversation keeps to.
#[derive(Clone, Debug)]
pub(crate) struct Details {
    pub(crate) language: Language,
    start_micros: i64,
    pub(crate) order_number: usize,
    pub(crate) product: Product,
    pub(crate) other: Product,
    pub(crate) amount: f64,
    pub(crate) less: f64,
    pub(crate) city: &'static str,
    other_city: &'static str,
    pub(crate) street: String,
    other_street: String,
    pub(crate) zip: usize,
    pub(crate) name: &'static str,
    other_name: &'static str,
    pub(crate) carrier: &'static str,
    color: &'static str,
    other_color: &'static str,
    pub(crate) size: &'static str,
    other_size: &'static str,
    pub(crate) code: String,
    pub(crate) card: usize,
    pub(crate) number: usize,
    days: usize,
    weekday: usize,
    ordered: DateTime<Utc>,
    article: &'static str,
    amount_style: usize,
}

impl Details {
    /// Draws the facts of a conversation that starts at the given time.
    pub(crate) fn draw(start_micros: i64, language: Language, random: &mut Random) -> Self {
        let product = random.pick(PRODUCTS);
        let start = DateTime::from_timestamp_micros(start_micros).unwrap_or_default();
        // Orders of one to three things, or a part of a sum, look like any price.
        let amount =
            cents(product.2 * random.pick(&[1.0, 1.0, 1.0, 0.9, 0.8, 2.0]) + random.pick(&[0.0, 4.9, 6.5]));
        Self {
            language,
            start_micros,
            order_number: random.between(100_000, 989_999),
            product,
            other: another(&product, random),
            amount,
            less: cents(amount * (0.1 + 0.6 * random.unit())),
            city: random.pick(CITIES),
            other_city: random.pick(CITIES),
            street: format!("{} {}", random.pick(STREETS), random.between(1, 140)),
            other_street: format!("{} {}", random.pick(STREETS), random.between(1, 140)),
            zip: random.between(10_000, 98_999),
            name: random.pick(NAMES),
            other_name: random.pick(NAMES),
            carrier: random.pick(CARRIERS),
            color: random.pick(COLORS),
            other_color: random.pick(COLORS),
            size: random.pick(SIZES),
            other_size: random.pick(SIZES),
            code: format!(
                "{}{}",
                random.pick(&["TRAIL", "AUTUMN", "HIKE", "WELCOME", "SUMMIT", "PEAK"]),
                random.pick(&["10", "15", "20", "25", "5OFF", "26"])
            ),
            card: random.between(1_000, 9_999),
            number: random.between(12, 980),
            days: random.between(3, 16),
            weekday: random.below(7),
            ordered: start - Duration::days(random.between(2, 19) as i64),
            article: random.pick(&["the ", "the ", ""]),
            amount_style: random.below(4),
        }
    }

    /// The same facts, told in another language.
    pub(crate) fn translated(&self, language: Language) -> Self {
        Self { language, ..self.clone() }
    }

    /// The order number as the shop writes it.
    pub(crate) fn order_id(&self) -> String {
        format!("TR-{}", self.order_number)
    }

    /// The customer's address.
    pub(crate) fn email(&self) -> String {
        format!("{}.{}@mail.example", self.name.to_lowercase().replace('í', "i"), self.number)
    }

    /// When the order was placed, as the shop's systems write it.
    pub(crate) fn ordered_on(&self) -> String {
        self.ordered.format("%Y-%m-%d").to_string()
    }

    /// When something in the near future will happen, as the shop's systems write it.
    pub(crate) fn due_on(&self) -> String {
        let start = DateTime::from_timestamp_micros(self.start_micros).unwrap_or_default();
        (start + Duration::days(self.days as i64)).format("%Y-%m-%d").to_string()
    }

    /// What a gap in a phrase stands for. Unknown gaps are a bug in a phrase file.
    pub(crate) fn fill(&self, gap: &str, random: &mut Random) -> Cow<'static, str> {
        let language = self.language as usize;
        match gap {
            "order" => match random.below(6) {
                0 => format!("#{}", self.order_number).into(),
                1 => self.order_number.to_string().into(),
                2 => format!("TR{}", self.order_number).into(),
                _ => self.order_id().into(),
            },
            "order_id" => self.order_id().into(),
            "product" if self.language == Language::English => {
                format!("{}{}", self.article, self.product.0).into()
            }
            "other" if self.language == Language::English => {
                format!("{}{}", self.article, self.other.0).into()
            }
            "product" => self.product.0.into(),
            "other" => self.other.0.into(),
            "kind" => self.product.1.into(),
            "trip" => random.pick(TRIPS[language]).into(),
            "amount" => self.money(self.amount).into(),
            "amount2" => self.money(self.less).into(),
            "city" => self.city.into(),
            "city2" => self.other_city.into(),
            "street" => self.street.clone().into(),
            "street2" => self.other_street.clone().into(),
            "zip" => self.zip.to_string().into(),
            "name" => self.name.into(),
            "name2" => self.other_name.into(),
            "carrier" => self.carrier.into(),
            "color" => self.color.into(),
            "color2" => self.other_color.into(),
            "size" => self.size.into(),
            "size2" => self.other_size.into(),
            "code" => self.code.clone().into(),
            "card" => self.card.to_string().into(),
            "email" => self.email().into(),
            "vat" => format!("EU{:09}", self.order_number * 731 % 1_000_000_000).into(),
            "number" => self.number.to_string().into(),
            "number2" => (self.number % 17 + 2).to_string().into(),
            "days" => self.days.to_string().into(),
            "months" => (self.number % 20 + 2).to_string().into(),
            "weekday" => WEEKDAYS[language][self.weekday].into(),
            "month" => MONTHS[language][self.number % 12].into(),
            "date" => self.date(random).into(),
            "mountain" => random.pick(MOUNTAINS).into(),
            "topic" => random.pick(TOPICS).into(),
            _ => panic!("no such gap: {gap}"),
        }
    }

    fn money(&self, amount: f64) -> String {
        let point = format!("{amount:.2}");
        let comma = point.replace('.', ",");
        match (self.language, self.amount_style) {
            (Language::English, 0) => format!("{point} euros"),
            (Language::English, 1) => format!("{point} EUR"),
            (Language::English, _) => format!("€{point}"),
            (_, 0) => format!("{comma} EUR"),
            _ => format!("{comma} €"),
        }
    }

    fn date(&self, random: &mut Random) -> String {
        let (day, month) = (self.ordered.day(), self.ordered.month0() as usize);
        let name = MONTHS[self.language as usize][month];
        match self.language {
            Language::English => match random.below(5) {
                0 => format!("{name} {day}"),
                1 => format!("{} {day}", &name[..3]),
                2 => format!("{day}/{}", month + 1),
                3 => format!("the {day}{}", ordinal(day)),
                _ => format!("{day} {name}"),
            },
            Language::Spanish => format!("{day} de {name}"),
            Language::German => format!("{day}. {name}"),
            Language::French => format!("{day} {name}"),
        }
    }
}

fn cents(amount: f64) -> f64 {
    (amount * 100.0).round() / 100.0
}

/// Another product, usually one that somebody would compare it with.
fn another(product: &Product, random: &mut Random) -> Product {
    let alike = random.chance(0.7);
    let others: Vec<Product> = PRODUCTS
        .iter()
        .copied()
        .filter(|other| other.0 != product.0 && (!alike || other.1 == product.1))
        .collect();
    // Some products are the only one of their kind.
    if others.is_empty() { PRODUCTS[0] } else { random.pick(&others) }
}

fn ordinal(day: u32) -> &'static str {
    match (day % 10, day % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    }
}
