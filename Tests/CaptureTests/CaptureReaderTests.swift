// SPDX-License-Identifier: Apache-2.0
import Capture
import Testing

/// Everything that a file in memory holds.
func frames(_ bytes: [UInt8]) throws(CaptureError) -> [CapturedFrame] {
    var reader = try CaptureReader(bytes: bytes)
    var frames: [CapturedFrame] = []
    while let frame = try reader.next() { frames.append(frame) }
    return frames
}

private let data: [UInt8] = [1, 2, 3, 4, 5, 6, 7]

@Suite struct CaptureReaderTests {
    @Test(arguments: [false, true], [(UInt32(0xa1b2_c3d4), UInt64(1000)), (0xa1b2_3c4d, 1)])
    func readsPcap(isBigEndian: Bool, resolution: (magic: UInt32, unit: UInt64)) throws {
        let file = FileBuilder.make(isBigEndian: isBigEndian) {
            $0.pcapHeader(magic: resolution.magic, linkType: 0x2400_0001)
            $0.pcapRecord(data, seconds: 1_700_000_000, fraction: 999_999)
            $0.pcapRecord([], original: 60)
            $0.pcapRecord([9], captured: 1, original: 1514)
        }
        let base: UInt64 = 1_700_000_000_000_000_000
        #expect(
            try frames(file) == [
                CapturedFrame(bytes: data, time: base + 999_999 * resolution.unit),
                CapturedFrame(bytes: [], originalLength: 60, time: 0),
                CapturedFrame(bytes: [9], originalLength: 1514, time: 0),
            ])
    }

    @Test func originalLengthIsNeverLessThanWhatWasCaptured() throws {
        let file = FileBuilder.make {
            $0.pcapHeader()
            $0.pcapRecord(data, original: 3)
        }
        #expect(try frames(file).map(\.originalLength) == [7])
    }

    @Test func keepsOtherLinkTypes() throws {
        let file = FileBuilder.make {
            $0.pcapHeader(linkType: 113)
            $0.pcapRecord(data)
        }
        #expect(try frames(file).map(\.linkType) == [113])
    }

    @Test(arguments: [false, true])
    func readsPcapng(isBigEndian: Bool) throws {
        let file = FileBuilder.make(isBigEndian: isBigEndian) {
            $0.section()
            $0.block(0x0000_0bad) { $0.put(UInt32(7)) }
            $0.interface()
            $0.interface(linkType: 113, options: [(2, Array("eth0".utf8)), (9, [9])])
            $0.packet(data, interface: 1, ticks: 1_700_000_000_000_000_123)
            $0.packet(data, interface: 0, ticks: 1_700_000_000_000_001, original: 9000)
        }
        #expect(
            try frames(file) == [
                CapturedFrame(bytes: data, linkType: 113, time: 1_700_000_000_000_000_123),
                CapturedFrame(bytes: data, originalLength: 9000, time: 1_700_000_000_000_001_000),
            ])
    }

    @Test func readsSeveralSectionsEachInItsByteOrderWithItsInterfaces() throws {
        let little = FileBuilder.make {
            $0.section()
            $0.interface(linkType: 113)
            $0.packet([1])
        }
        let big = FileBuilder.make(isBigEndian: true) {
            $0.section()
            $0.interface(linkType: 1)
            $0.packet([2])
        }
        let read = try frames(little + big + little)
        #expect(read.map(\.bytes) == [[1], [2], [1]])
        #expect(read.map(\.linkType) == [113, 1, 113])
        let noInterface = FileBuilder.make {
            $0.section()
            $0.packet([1])
        }
        #expect(throws: CaptureError.self) { try frames(little + noInterface) }
    }

    @Test func readsSimpleAndObsoletePackets() throws {
        let file = FileBuilder.make {
            $0.section()
            $0.interface(snapLength: 5)
            $0.block(3) {
                $0.put(UInt32(100))
                $0.putPadded([1, 2, 3, 4, 5])
            }
            $0.block(3) {
                $0.put(UInt32(2))
                $0.putPadded([1, 2])
            }
            $0.block(2) {
                $0.put(UInt16(0))
                $0.put(UInt16(9))
                $0.put(UInt32(0))
                $0.put(UInt32(5))
                $0.put(UInt32(3))
                $0.put(UInt32(4))
                $0.putPadded([7, 8, 9])
            }
        }
        #expect(
            try frames(file) == [
                CapturedFrame(bytes: [1, 2, 3, 4, 5], originalLength: 100),
                CapturedFrame(bytes: [1, 2]),
                CapturedFrame(bytes: [7, 8, 9], originalLength: 4, time: 5000),
            ])
    }

    @Test(
        arguments: [
            (3, 12, 12_000_000), (0, 2, 2_000_000_000), (0x81, 3, 1_500_000_000),
            (12, 5_000_000, 5000), (0xff, 1 << 63, 500_000_000), (0x7f, 10_000_000_000_000_000_000, 1_000_000_000),
        ] as [(UInt8, UInt64, UInt64)])
    func understandsResolutions(value: UInt8, ticks: UInt64, nanoseconds: UInt64) throws {
        let file = FileBuilder.make {
            $0.section()
            $0.interface(options: [(9, [value])])
            $0.packet([], ticks: ticks)
        }
        #expect(try frames(file).map(\.time) == [nanoseconds])
    }

    @Test(
        arguments: [
            (10, 1, 10_000_001_000), (-1, 1, nil), (.max, 1, nil), (.min, .max, nil),
            (-1, 1_500_000, 500_000_000),
        ] as [(Int64, UInt64, UInt64?)])
    func addsTheInterfacesOffset(offset: Int64, ticks: UInt64, time: UInt64?) throws {
        let file = FileBuilder.make {
            $0.section()
            $0.interface(options: [(14, (0..<8).map { UInt8(truncatingIfNeeded: offset >> (8 * $0)) })])
            $0.packet([], ticks: ticks)
        }
        #expect(try frames(file).map(\.time) == [time])
    }
}
