//! The arrays that are saved of a struct, named once.

/// Arrays of a struct in the order in which they are saved, each with the type of its values and the sides of the table that it
/// fills; one without sides may have any length. Makes a struct for the directory, what saves the arrays, what loads them, told
/// the sizes that sides are made of, with all else of the struct empty, and the bytes that they hold.
macro_rules! columns {
    ($vis:vis $saved:ident of $owner:ident($($size:ident),*), $what:literal {
        $($column:ident: $value:ident[$($side:expr),*]),+ $(,)?
    }) => {
        #[derive(serde::Serialize, serde::Deserialize)]
        $vis struct $saved {
            $($column: $crate::saved::Array<$value>),+
        }

        impl $owner {
            fn save_columns(&self, writer: &mut $crate::saved::Writer<'_, '_>) -> $crate::error::Result<$saved> {
                Ok($saved { $($column: writer.array(&self.$column)?),+ })
            }

            fn load_columns(
                saved: &$saved,
                reader: &$crate::saved::Reader<'_, '_>,
                $($size: usize),*
            ) -> $crate::error::Result<Self> {
                let mut loaded = $owner::default();
                $(loaded.$column = reader.array(&saved.$column, &[$($side),*], $what)?;)+
                Ok(loaded)
            }

            /// Bytes that the saved arrays hold.
            pub(super) fn column_bytes(&self) -> usize {
                [$(size_of_val(&self.$column[..])),+].iter().sum()
            }
        }
    };
}
pub(crate) use columns;
