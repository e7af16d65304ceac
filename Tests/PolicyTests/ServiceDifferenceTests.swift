// SPDX-License-Identifier: Apache-2.0
import Network
import Testing

@testable import Policy

/// `{ any, except }` against membership, value by value.
@Suite struct ServiceDifferenceTests {
    private static func ports(_ destination: [ClosedRange<UInt16>], _ source: [ClosedRange<UInt16>]) -> Service {
        .ports(protocol: 6, destination: destination, source: source)
    }

    private static func holds(_ service: Service, _ destination: UInt16, _ source: UInt16) -> Bool {
        guard case .ports(_, let destinations, let sources) = service else { return false }
        return destinations.contains { $0.contains(destination) } && sources.contains { $0.contains(source) }
    }

    /// The edges of every range used below, and their neighbours.
    private static let interesting: [UInt16] = [0, 1, 9, 10, 11, 19, 20, 21, 29, 30, 31, 40, 65_534, 65_535]

    @Test func portsAreThoseOfTheFirstThatAreNotOfTheSecond() throws {
        let lists: [[ClosedRange<UInt16>]] = [
            [0...65_535], [10...20], [20...30], [10...10, 20...20], [15...25, 11...19], [0...9, 31...65_535], [40...40],
        ]
        for (any, anySource) in lists.flatMap({ list in lists.map { (list, $0) } }) {
            for (except, exceptSource) in lists.flatMap({ list in lists.map { (list, $0) } }) {
                let (whole, part) = (Self.ports(any, anySource), Self.ports(except, exceptSource))
                let left = try whole.subtracting(part)
                for (to, from) in Self.interesting.flatMap({ to in Self.interesting.map { (to, $0) } }) {
                    let expected = Self.holds(whole, to, from) && !Self.holds(part, to, from)
                    #expect(
                        left.contains { Self.holds($0, to, from) } == expected, "\(whole) less \(part): \(to) \(from)")
                }
            }
        }
    }

    @Test func typesAndCodes() throws {
        let any = Service.icmp(.v6, type: nil, code: nil)
        let left = try any.subtracting(.icmp(.v6, type: 137, code: nil))
        #expect(left.count == 255)
        #expect(!left.contains(.icmp(.v6, type: 137, code: nil)))
        let type = Service.icmp(.v6, type: 1, code: nil)
        #expect(try type.subtracting(.icmp(.v6, type: 1, code: 4)).count == 255)
        #expect(try type.subtracting(.icmp(.v6, type: 2, code: nil)) == [type])
        #expect(try type.subtracting(.icmp(.v4, type: 1, code: nil)) == [type])
        #expect(try type.subtracting(any) == [])
        #expect(try any.subtracting(.icmp(.v6, type: 1, code: 4)).count == 255 + 255)
    }

    @Test func portsOfAnotherProtocolTakeNothing() throws {
        let tcp = Self.ports([22...22], [0...65_535])
        #expect(try tcp.subtracting(.ports(protocol: 17, destination: [22...22], source: [0...65_535])) == [tcp])
        #expect(throws: Service.NoDifference.self) { try Service.protocol(6).subtracting(tcp) }
    }
}
