// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Capture
import Control
import Network
import Policy
import Rendering
import Wire

struct ReplayCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay",
        abstract: "Judge every packet of a capture by the real program, attached to nothing.",
        discussion: """
            CAPTURE is a pcap or pcapng file of Ethernet frames. Each packet gets the verdict that it would have at \
            the port. Nothing is sent, and the instance's counters do not change. Connections and fragments are \
            followed as at the port, unless --stateless is given. Time is the capture's: flows and fragments time out, \
            limits refill and rules expire by its time stamps. Packets out of order let no time pass. A capture \
            without time stamps is judged as of now, in no time. The port counts as filtered for long: connections \
            that were open before the capture are not adopted.

            For people, a line has the packet's number, its time in the capture, the verdict, the direction, the ends, \
            and the reason or the rule with the line that decided.

            Example:
              bulkhead replay trace.pcap --port uplink --direction in --policy policy.yaml
              bulkhead replay trace.pcapng --port web-1 --inside 198.51.100.10,2001:db8:1::10 --json
              bulkhead replay drops.pcapng --port db-1 --direction in --policy new.yaml --drops
            """)

    @Argument(help: "A pcap or pcapng file; - is standard input.", completion: .file())
    var capture: String
    @Option(
        help: ArgumentHelp("The port to judge at: an entry, entry/device or a device.", valueName: "port"),
        completion: .names(.ports))
    var port: String
    @Option(help: "The direction of every packet.")
    var direction: Direction?
    @Option(
        help: ArgumentHelp(
            "Judge packets from these prefixes as out, all others as in; commas separate them.", valueName: "prefixes"),
        transform: PrefixList.init(parsing:))
    var inside: PrefixList?
    @Option(
        help: ArgumentHelp(
            "Where packets that the host sends at the port came from: a port, or host.", valueName: "port"),
        completion: .names(.ports))
    var via: String?
    @Option(
        help: ArgumentHelp("Use this policy file instead of the policy in force.", valueName: "file"),
        completion: .file(extensions: ["yaml", "yml"]))
    var policy: String?
    @Flag(help: "Judge each packet by itself, without flows and without putting fragments together.")
    var stateless = false
    @Flag(help: "Show only the packets that are dropped or rejected.")
    var drops = false
    @OptionGroup var instance: InstanceOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if (direction == nil) == (inside == nil) {
            throw ValidationError("give either --direction in|out, or --inside PREFIX,...")
        }
    }

    func run() throws {
        var reader = try open()
        let judge = try instance.controller.judge(policy: policy, keepsFlows: !stateless)
        Notices.show(judge.diagnostics)
        let directions = direction.map(ReplayDirection.all) ?? .inside(inside?.prefixes ?? [])
        var replay = try Replay(judge, at: port, directions, via: via)
        var clock = CaptureClock(present: judge.time)
        let now = WallClock.now
        var packet = 0
        var summary = VerdictCounts()
        while let frame = try next(&reader, after: packet) {
            packet += 1
            guard frame.linkType == CapturedFrame.ethernet else {
                throw Refusal(
                    "packet \(packet) of \(capture) has link type \(frame.linkType); only Ethernet (1) can be judged",
                    advice: "capture on an Ethernet device, not on 'any' or a tunnel")
            }
            let time = frame.time.map { clock.advance(to: $0) }
            let replayed = try replay.judge(frame.bytes, length: frame.originalLength, at: time)
            summary.add(replayed.outcome.verdict)
            if drops, replayed.outcome.verdict == .accept { continue }
            try output.show(
                replayed.json(packet, time: frame.time),
                or: replayed.words(packet, time: frame.time, now: now, Palette.standardOutput) + "\n")
        }
        StandardError.line("\(packet) packets: \(summary)")
    }

    private func open() throws -> CaptureReader {
        do {
            return try CaptureReader(path: capture)
        } catch {
            if case .system(_, let number) = error.cause {
                throw Refusal("\(capture) cannot be read: \(number)")
            }
            throw Refusal(
                "\(capture) is no capture that can be read: \(error)", advice: "it must be a pcap or pcapng file")
        }
    }

    private func next(_ reader: inout CaptureReader, after packet: Int) throws -> CapturedFrame? {
        do {
            return try reader.next()
        } catch {
            throw Refusal(
                "\(capture) cannot be read beyond packet \(packet): \(error)",
                advice: "what is before it was judged; the rest of the file is damaged or cut off")
        }
    }
}

/// How many packets had which verdict.
struct VerdictCounts: Sendable, CustomStringConvertible {
    private var counts: [Action: Int] = [:]

    mutating func add(_ verdict: Action) { counts[verdict, default: 0] += 1 }

    var description: String {
        "\(counts[.accept, default: 0]) accepted, \(counts[.drop, default: 0] + counts[.reject, default: 0]) dropped"
    }
}

/// `--inside`: the addresses behind the port.
struct PrefixList: Sendable {
    let prefixes: [Prefix]

    init(parsing text: String) throws {
        prefixes = try text.split(separator: ",", omittingEmptySubsequences: false).map {
            try Prefix(argument: String($0))
        }
    }
}

extension Direction: ExpressibleByArgument {}
