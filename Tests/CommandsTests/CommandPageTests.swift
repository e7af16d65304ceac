// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import Commands

/// The pages of docs/commands say what the commands' own help says.
@Suite struct CommandPageTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..")
    private static let folder = root.appending(path: "docs/commands")

    @Test func thePagesAreThoseOfTheHelp() throws {
        for page in try CommandPage.all(of: Bulkhead.self) {
            let text = try? String(contentsOf: Self.folder.appending(path: page.file), encoding: .utf8)
            let isSame = text == page.text
            #expect(isSame, "docs/commands/\(page.file) is not what the help says: run Scripts/pages")
        }
    }

    @Test func thereIsAPageForEachCommandAndNoOther() throws {
        let files = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path()).sorted()
        #expect(try files == CommandPage.all(of: Bulkhead.self).map(\.file).sorted(), "run Scripts/pages")
    }

    @Test func everyCommandIsDescribed() throws {
        let names = try Set(CommandHelp.read(of: Bulkhead.self).all.map(\.name))
        #expect(names == Set(CommandNotes.byCommand.keys))
        for page in try CommandPage.all(of: Bulkhead.self) {
            #expect(page.help.abstract?.isEmpty == false, "\(page.file) has no abstract")
            #expect(!page.help.description.isEmpty, "\(page.file) has no description")
            #expect(
                page.help.examples.contains { $0.contains("bulkhead \(page.help.name)") }, "\(page.file): no example")
            for argument in page.help.shown {
                #expect(argument.abstract?.isEmpty == false, "\(page.file): \(argument.valueName ?? "") has no help")
            }
        }
    }

    @Test func whatAPageLinksToIsThere() throws {
        let names = Set(CommandNotes.byCommand.keys)
        for (name, notes) in CommandNotes.byCommand {
            #expect(names.isSuperset(of: notes.related), "\(name)")
            // Only a command that checks may say that something is not as it should be.
            let owners: [Commands.ExitStatus: [String]] = [.notEnforced: ["status"], .different: ["diff", "import"]]
            let expected = Commands.ExitStatus.allCases.filter { owners[$0].map { $0.contains(name) } ?? true }
            #expect(notes.exits.map(\.status) == expected, "\(name)")
            for reading in notes.reading {
                let parts = reading.path.split(separator: "#")
                let text = try String(contentsOf: Self.root.appending(path: "docs/\(parts[0])"), encoding: .utf8)
                guard parts.count == 2 else { continue }
                let anchors = text.split(separator: "\n").filter { $0.hasPrefix("#") }.map { heading in
                    heading.drop { "# ".contains($0) }.lowercased().replacing(" ", with: "-")
                }
                #expect(anchors.contains(String(parts[1])), "\(reading.path)")
            }
        }
    }
}
