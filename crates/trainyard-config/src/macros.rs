//! [`keys!`](crate::keys) and [`choices!`](crate::choices): declarations of keys.

/// Declares the keys of a section, or of the part of one that a kind brings, as a struct.
///
/// ```
/// trainyard_config::keys! {
///     /// A network.
///     pub struct Options in "model", check = check_sizes {
///         /// Layers.
///         layers: usize = 4, in 1..=100;
///         /// Share of activations dropped in training.
///         dropout: f64 = 0.0, must("at least 0 and below 1", |share| (0.0..1.0).contains(share));
///         /// How the layers begin.
///         start: String = "normal".into(), one_of(starts);
///         /// Numbers between layers.
///         hidden: usize, derived("layers", |this| 16 * this.layers);
///         /// Weights to begin with.
///         weights: Option<std::path::PathBuf>;
///     }
/// }
///
/// fn starts() -> Vec<String> {
///     ["normal", "zero"].map(str::to_owned).to_vec()
/// }
///
/// fn check_sizes(options: &Options) -> Result<(), trainyard_config::BadKey> {
///     let least = options.layers;
///     trainyard_config::must(
///         options.hidden >= least,
///         "hidden",
///         &options.hidden,
///         format!("at least layers, which is {least}"),
///     )
/// }
///
/// assert_eq!(Options::default().hidden, 64);
/// ```
///
/// A key is `name: Type` with, in this order and each left out where it does not apply: `= default`
/// (else the type's `Default`), `derived("what it follows from", |this| default)`, `in range`,
/// `must("what it must be", |value| allowed)` and `one_of(function that gives the names)`. Checks
/// look at a value, at the value inside an `Option`, or at each entry of a list. After the section's
/// name may stand `resolve = function`, which may change the struct once all keys are read, and
/// `check = function`, which refuses values that do not go together.
///
/// The types are those of [`KeyType`](crate::KeyType); [`choices!`](crate::choices) makes more.
/// The struct has public fields, `Clone`, `Debug`, `PartialEq`, `Default`, serde's `Serialize`, and
/// implements [`Keys`](crate::Keys).
#[macro_export]
macro_rules! keys {
    (
        $(#[doc = $about:literal])*
        $visibility:vis struct $Name:ident in $section:literal
            $(, resolve = $resolve:path)? $(, check = $check:path)?
        {
            $(
                $(#[doc = $doc:literal])*
                $key:ident: $type:ty
                    $(= $default:expr)?
                    $(, derived($from:literal, $derive:expr))?
                    $(, in $range:expr)?
                    $(, must($must:literal, $test:expr))*
                    $(, one_of($names:expr))?;
            )*
        }
    ) => {
        $(#[doc = $about])*
        #[derive(Clone, Debug, PartialEq)]
        $visibility struct $Name {
            $(
                $(#[doc = $doc])*
                pub $key: $type,
            )*
        }

        impl ::core::default::Default for $Name {
            fn default() -> Self {
                #[allow(unused_mut, reason = "only derived keys change it")]
                let mut this = Self {
                    $($key: $crate::__default!($type $(, $default)?),)*
                };
                $($(this.$key = $crate::__private::derive(&this, $derive);)?)*
                this
            }
        }

        impl $crate::Keys for $Name {
            const SECTION: &'static str = $section;

            fn doc() -> ::std::string::String {
                $crate::__private::doc(&[$($about),*])
            }

            fn keys() -> ::std::vec::Vec<$crate::Key> {
                let default = Self::default();
                ::std::vec![$({
                    let doc = $crate::__private::doc(&[$($doc),*]);
                    #[allow(unused_mut, reason = "a key without a check is as it was made")]
                    let mut key = $crate::__private::key::<$type>(
                        ::core::stringify!($key), doc, ::core::option::Option::Some(&default.$key),
                    );
                    $(
                        key.derived = ::core::option::Option::Some($from);
                        key.default = ::core::option::Option::None;
                    )?
                    $(key.limit::<$type>(&($range));)?
                    $(key.must.push(::std::string::String::from($must));)*
                    $(key.one_of($names());)?
                    key
                }),*]
            }

            fn read(
                section: &$crate::SectionReader<'_>,
            ) -> ::core::result::Result<Self, $crate::ConfigError> {
                let mut this = Self::default();
                $(
                    let name = ::core::stringify!($key);
                    if let ::core::option::Option::Some(value) = section.get::<$type>(name)? {
                        $(section.hold::<$type>(name, &value, &($range))?;)?
                        $(section.test::<$type>(name, &value, $must, $test)?;)*
                        $(section.one_of::<$type>(name, &value, &$names())?;)?
                        this.$key = value;
                    }
                )*
                $($(
                    if !section.has(::core::stringify!($key)) {
                        this.$key = $crate::__private::derive(&this, $derive);
                    }
                )?)*
                $($resolve(&mut this);)?
                $($check(&this).map_err(|bad| section.refuse(bad))?;)?
                ::core::result::Result::Ok(this)
            }

            fn entries(
                &self,
            ) -> ::core::result::Result<::std::vec::Vec<$crate::Entry>, $crate::ConfigError> {
                let entries = [$({
                    #[allow(unused_mut, unused_assignments, reason = "only derived keys set it")]
                    let mut derived = ::core::option::Option::None;
                    $(derived = ::core::option::Option::Some((
                        $from,
                        $crate::__private::derive(self, $derive),
                    ));)?
                    $crate::__private::entry::<$type>(
                        $section, ::core::stringify!($key), &self.$key, derived,
                    )?
                }),*];
                ::core::result::Result::Ok(entries.into_iter().flatten().collect())
            }
        }

        impl $crate::__private::serde::Serialize for $Name {
            fn serialize<S: $crate::__private::serde::Serializer>(
                &self,
                serializer: S,
            ) -> ::core::result::Result<S::Ok, S::Error> {
                use $crate::__private::serde::ser::Error as _;
                let entries = $crate::Keys::entries(self).map_err(S::Error::custom)?;
                let pairs = entries.into_iter().map(|entry| (entry.name, entry.value));
                serializer.collect_map(pairs)
            }
        }
    };
}

/// The default of a key; for [`keys!`](crate::keys).
#[doc(hidden)]
#[macro_export]
macro_rules! __default {
    ($type:ty) => {
        <$type as ::core::default::Default>::default()
    };
    ($type:ty, $default:expr) => {
        $default
    };
}

/// Declares a type for a key that is one of a few words, each with what it means.
///
/// ```
/// trainyard_config::choices! {
///     /// How large a share of the weights is trained.
///     pub enum Trained {
///         /// Every weight.
///         All = "all",
///         /// Those of the last layer.
///         Last = "last",
///     }
/// }
///
/// assert_eq!(Trained::Last.text(), "last");
/// ```
#[macro_export]
macro_rules! choices {
    (
        $(#[doc = $about:literal])*
        $visibility:vis enum $Name:ident {
            $($(#[doc = $doc:literal])* $Choice:ident = $text:literal),* $(,)?
        }
    ) => {
        $(#[doc = $about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        $visibility enum $Name {
            $($(#[doc = $doc])* $Choice,)*
        }

        impl $Name {
            /// The word in the run file.
            #[must_use]
            $visibility const fn text(self) -> &'static str {
                match self {
                    $(Self::$Choice => $text,)*
                }
            }
        }

        impl $crate::Show for $Name {
            fn show(&self) -> ::std::string::String {
                ::std::format!("{:?}", self.text())
            }
        }

        impl $crate::KeyType for $Name {
            type Item = Self;

            fn read(
                value: &$crate::__private::toml::Value,
                _: $crate::ValueContext<'_>,
            ) -> ::core::result::Result<Self, ::std::string::String> {
                $crate::__private::read_choice(value, &[$(($text, Self::$Choice)),*])
            }

            fn write(
                &self,
            ) -> ::core::result::Result<
                ::core::option::Option<$crate::__private::toml::Value>,
                ::std::string::String,
            > {
                let text = ::std::string::String::from(self.text());
                ::core::result::Result::Ok(::core::option::Option::Some(
                    $crate::__private::toml::Value::String(text),
                ))
            }

            fn items(&self) -> ::std::vec::Vec<&Self> {
                ::std::vec![self]
            }

            fn words() -> ::std::string::String {
                ::std::string::String::from("one of a few words")
            }

            fn schema() -> $crate::__private::serde_json::Value {
                $crate::__private::choice_schema(&<Self as $crate::KeyType>::choices())
            }

            fn choices() -> ::std::vec::Vec<$crate::Choice> {
                ::std::vec![$($crate::Choice {
                    name: ::std::string::String::from($text),
                    doc: $crate::__private::doc(&[$($doc),*]),
                }),*]
            }
        }
    };
}
