// SPDX-License-Identifier: Apache-2.0
import Analysis
import Datapath
import FoundationEssentials
import Network
import Policy
import Wire

/// One open connection, as the flow table or a file has it.
package struct ComparedFlow: Sendable, Hashable {
    package var port: String
    package var direction: Direction
    package var from: IPAddress
    package var to: IPAddress
    package var content: PacketContent
    package var vlan: UInt16

    /// In the policy language.
    package var service: String { content.words(from.family) }

    init(_ listed: ListedFlow) {
        let flow = listed.flow
        port = listed.port
        direction = flow.direction
        from = flow.source
        to = flow.destination
        vlan = flow.vlan
        content = ComparedFlow.content(flow.ipProtocol, flow.destinationPort, flow.sourcePort, flow.headers)
    }

    func opening(_ entry: Int) -> FlowVerdicts.Opening {
        FlowVerdicts.Opening(
            entry: entry, direction: direction, source: from, destination: to, content: content, vlan: vlan)
    }
}

extension ComparedFlow {
    /// A line of `flows --json`.
    private struct Line: Decodable {
        var port: String
        var direction: String
        var `protocol`: String
        var src: String
        var sport: UInt16?
        var dst: String
        var dport: UInt16?
        var vlan: UInt16?
    }

    /// Reads what `flows --json` wrote: one flow a line.
    ///
    /// - Throws: ``Refusal`` if the file cannot be read, or is something else.
    package static func read(file: String) throws(Refusal) -> [ComparedFlow] {
        let bytes: [UInt8]
        do throws(FileError) {
            bytes = try DiskFiles().read(file, limit: 1 << 30, from: .fileOrPipe)
        } catch {
            throw Refusal("the file of flows '\(file)' \(error)")
        }
        var flows: [ComparedFlow] = []
        for (index, line) in bytes.split(separator: UInt8(ascii: "\n")).enumerated() {
            guard let read = try? JSONDecoder().decode(Line.self, from: Data(line)), let flow = ComparedFlow(read)
            else {
                throw Refusal(
                    "\(file):\(index + 1) is not a flow",
                    advice: "write the file with: bulkhead flows --json > \(file)")
            }
            flows.append(flow)
        }
        return flows
    }

    private init?(_ line: Line) {
        guard let direction = Direction(rawValue: line.direction), let from = IPAddress(line.src),
            let to = IPAddress(line.dst), let number = ComparedFlow.number(line.protocol)
        else { return nil }
        port = line.port
        self.direction = direction
        self.from = from
        self.to = to
        vlan = line.vlan ?? 0
        content = ComparedFlow.content(number, line.dport ?? 0, line.sport ?? 0, [])
    }

    private static func number(_ name: String) -> UInt8? {
        if name.hasPrefix("proto/") { return UInt8(name.dropFirst(6)) }
        return ProtocolName.number(name)
    }

    /// Of an echo the flow has its identifier instead of ports; the question is about the request.
    private static func content(
        _ number: UInt8, _ first: UInt16, _ second: UInt16, _ headers: Set<UInt8>
    ) -> PacketContent {
        switch number {
        case 1: PacketContent(number: number, first: 8 << 8, headers: headers)
        case 58: PacketContent(number: number, first: 128 << 8, headers: headers)
        default: PacketContent(number: number, first: first, second: second, headers: headers)
        }
    }
}
