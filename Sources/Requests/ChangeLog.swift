// SPDX-License-Identifier: Apache-2.0
import Control
import Glibc
import Host
import Policy
import Rendering
import SystemPackage

/// Who changed what, when, and what came of it: a line of JSON per change in a file of root's, which is only ever added
/// to.
package struct ChangeLog: ~Copyable {
    package static let folder = "/var/log/bulkhead"

    private let file: FileDescriptor
    private let instance: String

    /// - Parameter makesFolder: Whether the folder is made where there is none.
    /// - Throws: ``Refusal`` if nothing can be added to the file.
    package init(instance: String, makesFolder: Bool = false) throws(Refusal) {
        if makesFolder { _ = unsafe mkdir(Self.folder, 0o750) }
        self.instance = instance
        let path = Self.path(instance: instance)
        do {
            file = try FileDescriptor.open(
                FilePath(path), .writeOnly, options: [.create, .append, .closeOnExec, .noFollow],
                permissions: .ownerReadWrite)
        } catch {
            throw Refusal(
                "changes cannot be noted in \(path): \(error)",
                advice: "see that root can write there; nothing was done")
        }
        // The mask may have taken all away, and the next process that is held by modes could not add to it.
        _ = fchmod(file.rawValue, 0o600)
    }

    deinit { try? file.close() }

    package static func path(instance: String) -> String { "\(folder)/\(instance).changes" }

    /// Who it is.
    package struct Author: Sendable, Hashable {
        package var person: Operator
        /// When the connection was made, or of this command.
        package var process: Int32
        /// Whether the agent did it for them.
        package var isThroughAgent: Bool

        package init(person: Operator, process: Int32, isThroughAgent: Bool) {
            self.person = person
            self.process = process
            self.isThroughAgent = isThroughAgent
        }
    }

    /// Does something, and notes it, whatever comes of it.
    package func noting(
        _ deed: String, _ object: String?, by author: Author, on controller: Controller, _ body: () throws -> Void
    ) throws {
        let before = try? controller.policyText(nil)
        var failure: (any Error)?
        do { try body() } catch { failure = error }
        // The text may be long, and most changes are none of it.
        let isSame = before != nil && (try? controller.generationInForce()) == before?.generation
        let after = isSame ? before : try? controller.policyText(nil)
        let line: JSON = [
            "time": .string(Timestamp(nanoseconds: WallClock.now).utc), "instance": .string(instance),
            "user": .string(author.person.name), "uid": JSON(author.person.uid), "pid": JSON(author.process),
            "through": author.isThroughAgent ? "agent" : "command", "change": .string(deed),
            "object": JSON(object),
            "before": ["generation": JSON(optional: before?.generation), "sha256": JSON(before?.sha256)],
            "after": ["generation": JSON(optional: after?.generation), "sha256": JSON(after?.sha256)],
            "failure": JSON(failure.map { FailureParts($0).message.text }),
        ]
        // One write, so that lines of several processes do not mix.
        let bytes = Array("\(line)\n".utf8)
        let written = unsafe write(file.rawValue, bytes, bytes.count)
        if let failure { throw failure }
        guard written == bytes.count else {
            throw Refusal(
                "the change was made, but not noted in \(Self.path(instance: instance)): \(Errno(rawValue: errno))",
                advice: "make room there")
        }
    }
}
