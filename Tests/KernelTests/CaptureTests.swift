// SPDX-License-Identifier: Apache-2.0
import Capture
import Compiler
import Foundation
import Network
import Policy
import Reference
import TestSupport
import Testing
import Wire

extension PacketTables {
    /// Captures of edge cases, judged by a policy that accepts only TCP to port 80.
    @Suite(.enabled(if: Corpora.folder != nil, "BULKHEAD_CORPORA names no folder")) struct CaptureTests {
        private static let policy = """
            version: 1
            ports:
              uplink: { interface: nic0, protects: host }
              guest: { interface: tap0, protects: workload, vlans: any }
            defaults: { in: drop, out: drop }
            rules:
              - { name: web, service: tcp/80, action: accept }
            """

        private static let captures: [String] = {
            guard let folder = Corpora.folder else { return [] }
            let names = (try? FileManager.default.contentsOfDirectory(atPath: folder + "/pcaps")) ?? []
            return names.filter { $0.hasSuffix(".pcap") || $0.hasSuffix(".pcapng") }.sorted()
        }()

        @Test func everyCaptureIsJudged() throws {
            let folder = try #require(Corpora.folder)
            let simulation = try Simulation(policy: Self.policy)
            var verdicts: [PacketRow.Expectation: Int] = [:]
            var packets = 0
            for name in Self.captures {
                for frame in try Self.frames("\(folder)/pcaps/\(name)") {
                    packets += 1
                    let probe = Simulation.Probe(
                        Frame(bytes: frame.bytes), packets % 2 == 0 ? .in : .out, originalLength: frame.originalLength)
                    let port = try #require(simulation.binding(packets % 3 == 0 ? "guest" : "uplink"))
                    let judged = try simulation.judge(probe, at: port)
                    #expect(try simulation.judge(probe, at: port) == judged, "\(name): not the same twice")
                    if judged.verdict == .accept { try Self.expectAcceptable(frame, judged, "\(name) \(packets)") }
                    verdicts[judged, default: 0] += 1
                }
            }
            #expect(Self.captures.count >= 170)
            #expect(verdicts.values.reduce(0, +) == packets)
            // Some frames pass, and every reason that such frames can have occurs.
            #expect(verdicts[.accept(by: "web"), default: 0] > 0)
            for reason in [Reason.malformed, .fragment, .default, .nonIP] {
                #expect(verdicts[.drop(reason), default: 0] > 0, "\(reason) never")
            }
        }

        private static func frames(_ path: String) throws -> [CapturedFrame] {
            var reader = try CaptureReader(path: path)
            var frames: [CapturedFrame] = []
            while let frame = try reader.next() {
                if frame.linkType == CapturedFrame.ethernet { frames.append(frame) }
            }
            return frames
        }

        /// Read naively, the frame is whole, and of a kind that the policy accepts or that is essential.
        private static func expectAcceptable(
            _ frame: CapturedFrame, _ judged: PacketRow.Expectation, _ place: String
        ) throws {
            let packet = PacketParser.parse(frame.bytes, frameLength: frame.originalLength)
            #expect(packet.refusal == nil, "\(place): \(judged) although \(packet)")
            #expect(packet.fragment != .later, "\(place): \(judged)")
            if judged.reason == .rule {
                #expect(packet.ipProtocol == 6 && packet.destinationPort == 80, "\(place): \(packet)")
            } else {
                #expect([Reason.essential, .control].contains(judged.reason), "\(place): \(judged)")
            }
        }
    }
}
