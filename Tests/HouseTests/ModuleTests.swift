// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// Which module may know which: the table of docs/architecture.md, read from the page itself.
@Suite struct ModuleTests {
    /// From the ground up, with those that come later left out.
    private static func table() throws -> [String] {
        let page = try Checkout.text("docs/architecture.md")
        let section = try #require(page.components(separatedBy: "## Modules").last)
        return section.split(separator: "\n").filter { $0.hasPrefix("| `") }.flatMap { row in
            row.split(separator: "|")[0].split(separator: ",").map {
                $0.trimmingCharacters(in: .init(charactersIn: " `"))
            }
        }
    }

    private static func modules() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: Checkout.root.appending(path: "Sources").path()).sorted()
    }

    @Test func thePageListsEveryModule() throws {
        #expect(try Set(Self.table()) == Set(Self.modules()))
    }

    @Test func aModuleImportsOnlyModulesAboveItInTheTable() throws {
        let table = try Self.table()
        for (place, module) in table.enumerated() {
            let below = Set(table[place...])
            for file in try Checkout.files(under: "Sources/\(module)", suffix: ".swift") {
                let wrong = try Checkout.imports(of: file).filter { below.contains($0) }
                #expect(wrong == [], "\(file)")
            }
        }
    }

    /// Models and helpers of the tests stay out of the product.
    @Test func theProductImportsNothingOfTheTests() throws {
        let tests = try FileManager.default.contentsOfDirectory(
            atPath: Checkout.root.appending(path: "Tests").path())
        for file in try Checkout.files(under: "Sources", suffix: ".swift") {
            #expect(try Checkout.imports(of: file).filter { tests.contains($0) } == [], "\(file)")
        }
    }

    /// Who shows things knows no maps; who renders knows no options.
    @Test func facesStayApart() throws {
        for file in try Checkout.files(under: "Sources/Commands", suffix: ".swift") {
            let imports = Set(try Checkout.imports(of: file))
            let below: Set = ["Libbpf", "CLibbpf", "CDatapathABI", "Compiler", "Datapath", "Simulation"]
            #expect(imports.isDisjoint(with: below), "\(file)")
        }
        for (module, other) in [("Commands", "Agent"), ("Agent", "Commands")] {
            for file in try Checkout.files(under: "Sources/\(module)", suffix: ".swift") {
                #expect(try !Checkout.imports(of: file).contains(other), "\(file)")
            }
        }
        // What services need never slows a command down.
        let services: Set = ["Logging", "ServiceLifecycle", "UnixSignals", "Server"]
        let network: Set = ["NIOCore", "NIOPosix", "NIOHTTP1"]
        for module in try Self.modules() {
            for file in try Checkout.files(under: "Sources/\(module)", suffix: ".swift") {
                let imports = Set(try Checkout.imports(of: file))
                #expect(module == "Agent" || imports.isDisjoint(with: services), "\(file)")
                #expect(module == "Server" || imports.isDisjoint(with: network), "\(file)")
            }
        }
        for module in ["Control", "Rendering"] {
            for file in try Checkout.files(under: "Sources/\(module)", suffix: ".swift") {
                let imports = Set(try Checkout.imports(of: file))
                #expect(imports.isDisjoint(with: ["ArgumentParser", "CDatapathABI", "Libbpf"]), "\(file)")
            }
        }
    }
}
