// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Commands
@testable import Rendering

@Suite struct JSONTests {
    @Test(
        arguments: [
            (JSON.null, "null"),
            (true, "true"),
            (-3, "-3"),
            (.counter(.max), "18446744073709551615"),
            (.decimal(1.23456), "1.235"),
            (.decimal(.nan), "null"),
            ("", #""""#),
            ("a\"b\\c", #""a\"b\\c""#),
            ("line\nend\ttab\r", #""line\nend\ttab\r""#),
            ("\u{1}\u{7f}", #""\u0001\u007f""#),
            ("\u{9b}2J\u{202e}\u{2028}\u{e0041}", #""\u009b2J\u202e\u2028\udb40\udc41""#),
            ("größe 🙂", #""größe 🙂""#),
            ([], "[]"),
            ([1, nil, "x"], #"[1, null, "x"]"#),
            ([:], "{}"),
            (["b": 1, "a": ["c": nil]], #"{"b": 1, "a": {"c": null}}"#),
        ] as [(JSON, String)])
    func rendersOnOneLineInOrder(value: JSON, text: String) {
        #expect("\(value)" == text)
    }
}

extension JSON {
    /// A field of an object; nil if there is none.
    subscript(name: String) -> JSON? {
        guard case .object(let fields) = self, let index = fields.names.firstIndex(of: name) else { return nil }
        return fields.values[index]
    }
}
