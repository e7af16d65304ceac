// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Control
import Network
import Policy
import Rendering
import Requests

struct GroupCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "group",
        abstract: "Change or list the members of a dynamic group.",
        discussion: """
            The members of a group that the policy calls `dynamic` are what these commands make them. A change is in \
            force when the command returns, also for open connections. Members stay over a new `apply` whose policy \
            has the group. A member whose time is over ceases to be one by itself; no process has to run.

            Example:
              bulkhead group add blocked 203.0.113.66 2001:db8:9::/48 --for 1h
              journalctl -u sshd | ./attackers | bulkhead group add blocked -
              bulkhead group list blocked
              bulkhead group delete blocked 203.0.113.66
            """, subcommands: [Add.self, Delete.self, List.self, Flush.self])

    struct Add: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Add addresses or prefixes to a group.",
            discussion: """
                Either all of them become members or, if one is refused, none. A member that is already there gets the \
                new time.

                Example:
                  bulkhead group add blocked 203.0.113.66 --for 1h
                  bulkhead group add blocked --file attackers.txt
                """)

        @OptionGroup var chosen: ChosenMembers
        @Option(
            name: .customLong("for"),
            help: ArgumentHelp(
                "How long they stay, such as 90s, 5m, 1h or 1d; if left out, the group's timeout.",
                valueName: "duration"),
            transform: Add.seconds)
        var length: Int?
        @OptionGroup var instance: InstanceOptions
        @OptionGroup var output: OutputOptions

        static func seconds(_ text: String) throws -> Int {
            guard let seconds = WrittenDuration.seconds(text), seconds > 0 else {
                throw ValidationError("'\(text)' is no duration such as 90s, 5m, 1h or 1d")
            }
            guard seconds <= DynamicGroup.longestTimeout else {
                throw ValidationError("--for is at most \(DynamicGroup.longestTimeout / 86_400)d")
            }
            return seconds
        }

        func run() throws {
            try instance.make(.add(try chosen.prefixes(), to: chosen.group, seconds: length), output)
        }
    }

    struct Delete: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take addresses or prefixes out of a group.",
            discussion: """
                Write a prefix as it was added; one that is not a member is passed over. An address stays in the group \
                if a shorter prefix around it is a member; the command warns of that.

                Example:
                  bulkhead group delete blocked 203.0.113.66
                """)

        @OptionGroup var chosen: ChosenMembers
        @OptionGroup var instance: InstanceOptions
        @OptionGroup var output: OutputOptions

        func run() throws {
            try instance.make(.delete(try chosen.prefixes(), from: chosen.group), output)
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List a group's members, or the dynamic groups.",
            discussion: """
                Without a group, all dynamic groups are listed with their sizes. With one, its members are listed, \
                each with the time that it has left. A member that the policy's `except` takes away, whole or in part, \
                is marked; what `except` reads from files is not compared.

                Example:
                  bulkhead group list
                  bulkhead group list blocked --json | jq -r '.members[].address'
                """)

        @Argument(
            help: "A dynamic group of the policy in force; if left out, all are listed without their members.",
            completion: .names(.groups))
        var group: String?
        @OptionGroup var instance: InstanceOptions
        @OptionGroup var output: OutputOptions

        func run() throws {
            try instance.show(.groups(group), output)
        }
    }

    struct Flush: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take all members out of a group in one step.",
            discussion: """
                The group is empty when the command returns. No packet sees a part of the members.

                Example:
                  bulkhead group flush blocked
                """)

        @Argument(help: "A dynamic group of the policy in force.", completion: .names(.groups))
        var group: String
        @OptionGroup var instance: InstanceOptions
        @OptionGroup var output: OutputOptions

        func run() throws {
            try instance.make(.flush(group), output)
        }
    }
}

/// A group, and which addresses are meant.
struct ChosenMembers: ParsableArguments {
    @Argument(help: "A dynamic group of the policy in force.", completion: .names(.groups))
    var group: String
    @Argument(
        help: ArgumentHelp(
            "Addresses or prefixes; `-` reads them from standard input, one per line.", valueName: "address"),
        transform: Word.init)
    var addresses: [Word] = []
    @Option(help: "A file of addresses and prefixes, one per line; # and ; start comments.", completion: .file())
    var file: String?

    enum Word {
        case prefix(Prefix)
        case standardInput

        init(_ text: String) throws {
            if text == "-" { self = .standardInput } else { self = .prefix(try Prefix(argument: text)) }
        }
    }

    func validate() throws {
        if addresses.isEmpty, file == nil { throw ValidationError("name addresses or prefixes, `-` or --file FILE") }
    }

    /// What is meant, files and standard input read.
    func prefixes() throws -> [Prefix] {
        var result = try file.map { try ChosenMembers.read($0) } ?? []
        for word in addresses {
            switch word {
            case .prefix(let prefix): result.append(prefix)
            case .standardInput: result += try ChosenMembers.read("/dev/stdin")
            }
        }
        return result
    }

    /// Reads the addresses of a file. If one of its lines is not an address, the file is refused whole.
    private static func read(_ path: String) throws -> [Prefix] {
        let name = path == "/dev/stdin" ? "standard input" : path
        let bytes: [UInt8]
        do throws(FileError) {
            bytes = try DiskFiles().read(path, limit: AddressFile.sizeLimit, from: .fileOrPipe)
        } catch {
            throw Refusal("\(name) \(error)")
        }
        var found: [Prefix] = []
        var bad = 0
        AddressFile.read(bytes) { prefix, _ in
            found.append(prefix)
        } refuse: { line in
            bad += 1
            if bad > 10 { return }
            let what = line.text.map { "'\($0)'" } ?? "this line"
            StandardError.line("\(name):\(line.line):\(line.column): \(what) is no address or prefix")
        }
        guard bad == 0 else {
            throw Refusal(
                "\(counted(bad, "line")) of \(name) are no addresses", advice: "correct them; nothing was changed")
        }
        return found
    }
}

extension Prefix {
    /// Reads a prefix from the command line.
    init(argument text: String) throws {
        do {
            try self.init(parsing: text)
        } catch .hostBits(let meant) {
            throw ValidationError("'\(text)' has host bits set; did you mean \(meant)?")
        } catch {
            throw ValidationError("'\(text)' is no address or prefix, such as 198.51.100.0/24 or 2001:db8::/32")
        }
    }
}
