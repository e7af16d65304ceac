import Testing

@testable import Commands

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
            ("größe 🙂", #""größe 🙂""#),
            ([], "[]"),
            ([1, nil, "x"], #"[1, null, "x"]"#),
            ([:], "{}"),
            (["b": 1, "a": ["c": nil]], #"{"b": 1, "a": {"c": null}}"#),
        ] as [(JSON, String)])
    func rendersOnOneLineInOrder(value: JSON, text: String) {
        #expect("\(value)" == text)
    }

    @Test func findsAField() {
        let value: JSON = ["a": 1, "b": "two"]
        #expect(value["b"] == "two")
        #expect(value["c"] == nil)
        #expect((1 as JSON)["a"] == nil)
    }
}
