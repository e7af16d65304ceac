// SPDX-License-Identifier: Apache-2.0
import Control
import Glibc
import Host
import Policy
import Rendering
import SystemPackage

/// Who changed what, when, and what came of it, in a file of root's that is only ever added to: a line of JSON before
/// each change, and one after it.
package struct ChangeLog: ~Copyable {
    package static let folder = "/var/log/bulkhead"

    private let file: FileDescriptor
    private let instance: String

    /// - Parameter makesFolder: Whether the folder is made where there is none.
    /// - Throws: ``Refusal`` if nothing can be added to the file.
    package init(instance: String, makesFolder: Bool = false) throws(Refusal) {
        if makesFolder { _ = unsafe mkdir(Self.folder, 0o750) }
        self.instance = instance
        do {
            file = try Self.open("\(instance).changes")
        } catch {
            throw Self.refusal(instance, error)
        }
        // The mask may have taken all away, and the next process that is held by modes could not add to it.
        _ = fchmod(file.rawValue, 0o600)
    }

    deinit { try? file.close() }

    private static func refusal(_ instance: String, _ error: any Error) -> Refusal {
        Refusal(
            "changes cannot be noted in \(path(instance: instance)): \(error)",
            advice: "see that root can write there, and that there is room; nothing was done")
    }

    /// Opens a file of the folder, both of which must be root's alone to write.
    private static func open(_ name: String) throws -> FileDescriptor {
        let folder = try FileDescriptor.open(
            FilePath(folder), .readOnly, options: [.directory, .noFollow, .closeOnExec])
        defer { try? folder.close() }
        var status = stat()
        guard unsafe fstat(folder.rawValue, &status) == 0 else { throw Errno(rawValue: errno) }
        guard status.st_uid == 0, status.st_mode & 0o022 == 0 else { throw Errno.notPermitted }
        // A FIFO would have the opener wait.
        let flags = O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK
        let number = unsafe openat(folder.rawValue, name, flags, 0o600 as mode_t)
        guard number >= 0 else { throw Errno(rawValue: errno) }
        let file = FileDescriptor(rawValue: number)
        guard unsafe fstat(number, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_uid == 0,
            status.st_nlink == 1
        else {
            try? file.close()
            throw Errno.notPermitted
        }
        return file
    }

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

    /// A change that is noted to have begun.
    package struct Entry {
        fileprivate var fields: [(String, JSON)]
        fileprivate var before: PolicyTextNote?
    }

    /// A policy, as it is noted.
    fileprivate struct PolicyTextNote: Sendable, Hashable {
        var generation: UInt32
        var sha256: String

        var json: JSON { ["generation": JSON(generation), "sha256": .string(sha256)] }
    }

    private static func policy(_ controller: Controller) -> PolicyTextNote? {
        (try? controller.policyText(nil)).map { PolicyTextNote(generation: $0.generation, sha256: $0.sha256) }
    }

    /// Notes that a change begins.
    ///
    /// - Throws: ``Refusal`` if there is no room to note it.
    package func begin(
        _ deed: String, _ object: String?, _ terms: Change.Terms? = nil, by author: Author, on controller: Controller
    ) throws(Refusal) -> Entry {
        let now = WallClock.now
        let before = Self.policy(controller)
        let entry = Entry(
            fields: [
                ("id", .string("\(now)-\(getpid())")), ("instance", .string(instance)),
                ("user", .string(author.person.name)), ("uid", JSON(author.person.uid)),
                ("pid", JSON(author.process)), ("through", author.isThroughAgent ? "agent" : "command"),
                ("change", .string(deed)), ("object", JSON(object.map(Self.cut))),
                ("message", JSON((terms?.message).map(Self.cut))), ("forced", terms.map { .bool($0.isForced) } ?? nil),
            ], before: before)
        do {
            try append(line("begun", at: now, entry, [("before", before?.json ?? nil)]))
        } catch {
            throw Self.refusal(instance, error)
        }
        return entry
    }

    /// Notes what came of a change.
    ///
    /// - Returns: What went wrong, if that is not noted now.
    package func end(_ entry: Entry, on controller: Controller, _ failure: (any Error)?) -> String? {
        // The text may be long, and most changes are none of it.
        let isSame = entry.before != nil && (try? controller.generationInForce()) == entry.before?.generation
        let after = isSame ? entry.before : Self.policy(controller)
        do {
            try append(
                line(
                    "ended", at: WallClock.now, entry,
                    [
                        ("before", entry.before?.json ?? nil), ("after", after?.json ?? nil),
                        ("failure", JSON(failure.map { Self.cut(FailureParts($0).message.text) })),
                    ]))
            return nil
        } catch {
            return "what came of the change is not noted in \(Self.path(instance: instance)): \(error)"
        }
    }

    /// Does something, and notes it, whatever comes of it.
    ///
    /// - Returns: What went wrong, if what came of it is not noted.
    package func noting(
        _ deed: String, _ object: String?, _ terms: Change.Terms?, by author: Author, on controller: Controller,
        _ body: () throws -> Void
    ) throws -> String? {
        let entry = try begin(deed, object, terms, by: author, on: controller)
        do {
            try body()
        } catch {
            _ = end(entry, on: controller, error)
            throw error
        }
        return end(entry, on: controller, nil)
    }

    private func line(_ state: String, at time: UInt64, _ entry: Entry, _ more: [(String, JSON)]) -> JSON {
        var fields = JSON.Fields()
        fields.append("time", .string(Timestamp(nanoseconds: time).utc))
        fields.append("state", .string(state))
        for (name, value) in entry.fields + more { fields.append(name, value) }
        return .object(fields)
    }

    /// No text of others makes a line long.
    private static func cut(_ text: String) -> String {
        text.utf8.count > 1024 ? String(String.UnicodeScalarView(text.unicodeScalars.prefix(256))) + " ..." : text
    }

    /// Adds a line as a whole, or nothing. A line that another process has left unfinished is ended first.
    private func append(_ line: JSON) throws {
        guard flock(file.rawValue, LOCK_EX) == 0 else { throw Errno(rawValue: errno) }
        defer { _ = flock(file.rawValue, LOCK_UN) }
        let start = Int(try file.seek(offset: 0, from: .end))
        var last: UInt8 = 0x0a
        if start > 0 { _ = unsafe pread(file.rawValue, &last, 1, start - 1) }
        let isUnfinished = last != 0x0a
        let bytes = Array("\(isUnfinished ? "\n" : "")\(line)\n".utf8)
        let written = unsafe write(file.rawValue, bytes, bytes.count)
        guard written == bytes.count else {
            let error = written < 0 ? Errno(rawValue: errno) : .noSpace
            _ = ftruncate(file.rawValue, start)
            throw error
        }
    }
}
