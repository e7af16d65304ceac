// SPDX-License-Identifier: Apache-2.0

/// The text of a C array of characters that a NUL ends.
package func text<Tuple: BitwiseCopyable>(of tuple: Tuple) -> String {
    unsafe withUnsafeBytes(of: tuple) { bytes in
        unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
}
