// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// A module's files stand on each other in an order, so that one can be read, and changed, before those that use it.
/// Two that belong together may use each other; more may not.
@Suite struct CycleTests {
    private static var modules: [String] {
        let sources = Checkout.root.appending(path: "Sources").path()
        return ((try? FileManager.default.contentsOfDirectory(atPath: sources)) ?? []).sorted()
    }

    @Test(arguments: modules) func atMostTwoFilesUseEachOther(module: String) throws {
        let paths = try Checkout.files(under: "Sources/\(module)", suffix: ".swift")
        let graph = FileGraph(
            Dictionary(uniqueKeysWithValues: try paths.map { ($0, try Checkout.text($0)) }))
        for cycle in graph.cycles {
            #expect(cycle.count <= 2, "\(cycle.count) files use each other:\n\(graph.words(cycle))")
        }
    }

    @Test func aCycleIsFoundAndItsFilesAreNamed() {
        let graph = FileGraph([
            "Low.swift": "struct Low {}",
            "A.swift": "struct A { var low: Low; func b() -> B? { nil } }",
            "B.swift": "package enum B { case c(C) }",
            "C.swift": "extension Int { var a: A { helped() } }\nprivate func helped() {}\nfunc C() {}",
        ])
        #expect(graph.cycles == [["A.swift", "B.swift", "C.swift"]])
        #expect(
            graph.words(["A.swift", "B.swift", "C.swift"])
                == "A.swift uses B of B.swift\nB.swift uses C of C.swift\nC.swift uses A of A.swift")
    }

    @Test(arguments: [
        "// Used", "/* /* a */ Used */", "let a = \"Used \\\" Used\"", "let a = \"\"\"\n Used \" Used\n\"\"\"",
        "let a = #\"Used \\(Used) \" Used\"#", "let a = Other.Used", "private struct Used {}; let a = Used()",
    ])
    func whatIsNoUseIsPassedOver(text: String) {
        let graph = FileGraph(["Used.swift": "struct Used {}", "User.swift": text])
        #expect(graph.uses["User.swift"] == [:])
    }

    @Test(arguments: [
        "let a = Used()", "let a = \"b \\(c(\")\") + Used.d) e\"", "let a = #\"\\#(Used.b)\"#",
        "/* */ extension Used {}", "func a() { let b = [Used]() }", "let a = \"\"\"\n \"\\(Used())\"\n\"\"\"",
        "let a = b...Used",
    ])
    func aUseIsFound(text: String) {
        let graph = FileGraph(["Used.swift": "public final class Used {}", "User.swift": text])
        #expect(graph.uses["User.swift"] == ["Used.swift": ["Used"]])
    }
}
