// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import Policy

/// Rules read line by line must mean the same as when libyaml reads them.
@Suite struct OneLineItemsTests {
    private static let mixed = """
        version: 1
        # rules: are below
        groups: { a: { addresses: [192.0.2.1, "2001:db8::/32"] } }
        rules:
          - { name: plain, from: 192.0.2.0/24, to: [a, 198.51.100.1], service: tcp/443, action: accept }
          # a comment, über
          - { name: quoted, comment: "a, {b}: c # d", meta: { owner: 'it is', n: 5 }, action: drop } # behind
          - name: block
            from:
              - 192.0.2.1
              - { except: a }
            action: accept
          - { name: long, service: { protocol: tcp, ports: [22, "8000-8099"] }, to: 2001:db8::1, action: accept }

          - { name: several,
              action: drop }
          - {name: tight,action: drop}
          - { name: two words, vlan: [0, 7], action: drop, comment: "quotes ""twice" }
          - { name: last, log: true, action: accept }
        defaults: { in: drop }
        """

    /// The document as nodes, or its problems.
    private func words(_ text: String, _ read: ([UInt8], String, Problems) -> Node?) -> String {
        let problems = Problems()
        let node = read(Array(text.utf8), "p", problems)
        return (node.map(words) ?? "nothing") + problems.sorted.map { "\n\($0)" }.joined()
    }

    private func words(_ node: Node) -> String {
        let place = "\(node.location.line):\(node.location.column)"
        switch node.content {
        case .scalar(let text, let isPlain): return "\(place) \(isPlain ? "" : "quoted ")<\(text)>"
        case .sequence(let items): return "\(place) [\(items.map(words).joined(separator: ", "))]"
        case .mapping(let entries):
            let parts = entries.map {
                "\($0.key) (\($0.keyLocation.line):\($0.keyLocation.column)): \(words($0.value))"
            }
            return "\(place) {\(parts.joined(separator: ", "))}"
        }
    }

    private func expectTheSame(_ text: String, _ comment: Comment = "") {
        let found = words(text) { YAMLReader.read($0, file: $1, $2)?.root }
        let expected = words(text) { YAMLReader.readAll($0, file: $1, $2) }
        #expect(found == expected, comment)
    }

    @Test func takesWhatIsPlain() throws {
        let items = try #require(OneLineItems(Array(Self.mixed.utf8), key: "rules", file: "p"))
        #expect(items.items.map(\.location.line) == [5, 7, 13, 17, 19])
        #expect(items.keyLine == 4)
        let rest = String(decoding: items.rest, as: UTF8.self)
        #expect(rest.contains("# behind") && rest.contains("several") && !rest.contains("plain"))
        let text = Self.mixed.replacingOccurrences(of: ", comment: \"quotes \"\"twice\"", with: "")
        expectTheSame(text)
    }

    @Test(arguments: [
        "rules:\n  - { a: b }\n", "rules:\n- { a: b }\nversion: 1\n", "rules:\n  - { a: b }\n- { a: c }\n",
        "rules:\n  - { a: b }\n    - { a: c }\n", "rules:\n  - { a: b, a: c }\n",
        "rules:\n  - { a: b }\nrules:\n  - { a: c }\n",
        "rules:\n  - { a: 2001:db8:: }\n", "rules:\n  - { a: [2001:db8::] }\n", "rules:\n  - { a: b }: c\n",
        "rules:\n  - { a: \"b\"c }\n", "rules:\n  - { a: 'b''c' }\n", "rules:\n  - { a: 'b' 'c' }\n",
        "rules:\n  - { a: b, }\n",
        "rules:\n  - { a: }\n", "rules:\n  - { a: b#c, d: e #f }\n", "rules:\n  - { a: b }#c\n",
        "rules:\n  - { a: b } #c\n",
        "rules:\n  - &x { a: b }\n  - *x\n", "rules:\n  - { a: *x }\n", "rules:\n  - { a: !t b }\n",
        "a: \"\nrules:\n  - { a: b }\n\"\n", "a: {\nrules:\n  - { a: b }\n}\n", "a: |\n  x\nrules:\n  - { a: b }\n",
        "rules:\n  - name: \"x\n  - { a: b }\n  \"\n", "rules:\n  - { name: \"x\n  - { a: b }\n  \" }\n",
        "rules:\n  [c]\n  - { a: b }\n",
        "rules:\n  - { a: b }\n...\n", "rules:\n  - { a: b }\n---\nrules:\n  - { a: c }\n",
        "rules:\n  a: b\n  - { a: b }\n",
        "rules:\n  - { a: b }\n  c: d\n", "rules:\n  - { a: b }\n \t- { c: d }\n",
        "rules:\n  - { a: b }\r\n  - { c: d }\n", "# a\rb\nrules:\n  - { a: b }\n",
        "rules:\n  - { a: b }\n  - { a: c\rd }\n  - { a: \"\\\\\" }\n  - { a: e }\n",
        "# a\u{85}b\nrules:\n  - { a: b }\n", "# a\u{2028}b\nrules:\n  - { a: b }\n",
        "rules:\n  - { a: b } # a\u{2029}\n  - { a: b }\n", "# \u{2013} \u{a0}\nrules:\n  - { a: b } # \u{2030}\n",
        "rules:\n  - x\n  - { a: b }\n  -\n  - { c: d }\n", "rules:\n  -  { a: b }\n", "rules:\n  - { a: - }\n",
        "rules:\n  - { a: b - c }\n",
        "rules:\n  - { a: [b c, d, [e, {f: g}, { f: g }]] }\n", "rules:\n  - { a: b?c, d: e }\n",
        "rules:\n  - { a: [[[[[[[[[b]]]]]]]]] }\n",
        "rules:\n  - { ä: b }\n  - { a: ä }\n", "rules:\n  - { a: b }\n# ü\n  - { c: d }\n", "rules:\n  - { a:b }\n",
        "rules:\n  - { a: b:c }\n",
        "rules:\n  - { a: b :c }\n", "rules:\n  - { a: b: c }\n", "rules:\n  - { a: ::1 }\n",
        "rules:\n  - { a: 1::2, b: 1::/3 }\n",
        "rules:\n - { a: b }\n  - { a: b }\n  - { a: { [b]: c } }\n",
        "rules: \n  - { a: b }\n", "rules:\n", "rules:\n\n", "rules:\n  # nothing\n", "", "rules:",
    ]) func readsAsLibyamlDoes(text: String) { expectTheSame(text) }

    /// Documents with typing mistakes.
    @Test func readsMistypedDocumentsAsLibyamlDoes() {
        var random = SystemRandomNumberGenerator()
        let marks = Array("{}[],:'\"#&*!-? \n\t\\ab%@`|>\r\u{85}\u{2028}").map { Array(String($0).utf8) }
        for _ in 0..<4_000 {
            var bytes = Array(Self.mixed.utf8)
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                let place = Int.random(in: 0..<bytes.count, using: &random)
                let mark = marks[Int.random(in: 0..<marks.count, using: &random)]
                let taken = Int.random(in: 0...1, using: &random)
                let isMarked = taken == 0 || Bool.random(using: &random)
                bytes.replaceSubrange(place..<place + taken, with: isMarked ? mark : [])
            }
            let text = String(decoding: bytes, as: UTF8.self)
            expectTheSame(text, "\(text)")
        }
    }
}
